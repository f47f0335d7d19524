// Preloaded into each measured server: tells, when asked, how much CPU its process has used.
process.on("message", (message) => {
  if (message === "cpu") process.send?.(process.cpuUsage());
});
