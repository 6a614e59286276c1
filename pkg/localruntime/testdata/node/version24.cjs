// Makes a program believe that it runs on Node.js 24.
Object.defineProperty(process.versions, "node", { value: "24.0.0" });
