// Mocha 12 hears of promises that were rejected and that nobody awaited, and says nothing. Here they fail the test that
// runs, or the run. (Mocha passes them on to this listener; what it throws is an uncaught exception.)
process.on("unhandledRejection", (reason) => {
  throw reason;
});
