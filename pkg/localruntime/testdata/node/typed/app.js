export const handler = async () => import.meta.url.startsWith("file:");
