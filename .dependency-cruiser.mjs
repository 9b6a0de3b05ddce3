/** Who may import what. Each rule says why; docs/architecture.md tells the story. */
const pure =
  '^libs/verification/src/[^.]+\\.ts$|^services/(reservation/src/(reservation|booking-[a-z]+)|inventory/src/(time-slot|pricing)|payment/src/payment|timeout/src/schedule)\\.ts$'
const tests = '\\.(test|fixture)\\.ts$|/testing\\.ts$|^tests/|^libs/testing/|^bench/'

export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle means two files are one thing; make them one, or cut.',
      severity: 'error',
      from: { pathNot: '^tests/simulation/' },
      to: { circular: true },
    },
    {
      name: 'no-cycles-at-run-time',
      comment: 'The simulated world is one recursive type (a bus knows the world it is in); only its types may be.',
      severity: 'error',
      from: { path: '^tests/simulation/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'contracts-import-zod-only',
      comment: 'What can be said must be readable, and importable by a client, without any of our machinery.',
      severity: 'error',
      from: { path: '^libs/contracts/', pathNot: tests },
      to: { pathNot: ['^libs/contracts/', 'node_modules/zod/'] },
    },
    {
      name: 'libs-never-import-services',
      comment: 'Libraries serve services; the other way round nothing could be reused.',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^services/' },
    },
    {
      name: 'services-are-islands',
      comment: 'Services talk by HTTP and messages. An import would be a hidden coupling of their releases.',
      severity: 'error',
      from: { path: '^services/([^/]+)/' },
      to: { path: '^services/([^/]+)/', pathNot: '^services/$1/' },
    },
    {
      name: 'pure-means-pure',
      comment: 'Decisions see no clock, no random and no I/O: time, ids and references come in as arguments.',
      severity: 'error',
      from: { path: pure },
      to: { pathNot: [pure, '^libs/contracts/'] },
    },
    {
      name: 'amqplib-has-one-door',
      comment: 'Everything about connections that can die is handled in broker.ts and the files behind it.',
      severity: 'error',
      from: {
        path: '^(libs|services)/',
        pathNot: [tests, '^libs/messaging/src/(broker|session|confirms|subscription|declare)\\.ts$'],
      },
      to: { path: 'node_modules/amqplib/' },
    },
    {
      name: 'stripe-has-one-door',
      comment: 'Stripe errors, versions and idempotency keys are translated in one file.',
      severity: 'error',
      from: { path: '^(libs|services)/', pathNot: [tests, '^services/payment/src/stripe\\.ts$'] },
      to: { path: 'node_modules/stripe/' },
    },
    {
      name: 'production-never-imports-tests',
      comment: 'What ships must not depend on what checks it.',
      severity: 'error',
      from: { pathNot: tests },
      to: { path: tests },
    },
    {
      name: 'resolvable',
      comment: 'An import that does not resolve fails at run time.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '\\.holdfast/' },
    // TypeScript 7 has no API for it yet. swc sees every import and export, type-only ones too, but not inline
    // `import('…').T`.
    tsPreCompilationDeps: true,
    parser: 'swc',
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
