// Handlers that stream their response, as Lambda's own runtime client lets them.
const pause = () => new Promise((done) => setTimeout(done, 5));

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType("application/json");
  stream.write("[1,");
  await pause();
  stream.write("2]");
  stream.end();
});

export const fails = awslambda.streamifyResponse(async (event, stream) => {
  stream.write("[1,");
  await pause();
  throw new RangeError("in the middle");
});
