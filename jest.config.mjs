// Node strips the types itself, so Jest transforms nothing. Run with --experimental-vm-modules (infra/local/bootstrap.mjs does).
export default {
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironment: 'node',
  testMatch: ['<rootDir>/{libs,services,infra,tests}/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  setupFilesAfterEnv: ['<rootDir>/libs/testing/src/after-each-file.ts'],
  testTimeout: 30_000,
}
