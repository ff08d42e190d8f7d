import { limits } from "../../limits.ts";
import { BlobMissing, type FileStore, FileStoreAway } from "../store.ts";
import { elementOf, elementsOf, type S3Requests, type S3Settings, s3Requests } from "./requests.ts";

/** A store in a bucket: `blobs/<key>`, and `store-id`. What is larger than a part comes in parts. */
export function s3Store(settings: S3Settings): FileStore {
  const requests = s3Requests(settings);
  const nameOf = (key: string) => `blobs/${key}`;

  return {
    place: `s3://${settings.bucket}/${settings.prefix}`,
    async identify(fresh) {
      const read = async () => {
        const { status, text } = await requests.ask({ method: "GET", key: "store-id" }, [404]);
        return status === 404 ? null : text.trim();
      };
      const there = await read();
      if (there !== null || fresh === null) return there;
      // Not over one that somebody else has just made. Services that do not know the condition take the last one.
      const headers = { "if-none-match": "*" };
      await requests.ask({ method: "PUT", key: "store-id", headers, body: `${fresh}\n` }, [409, 412]);
      return read();
    },
    async put(key, content) {
      const upload = beginUpload(requests, nameOf(key));
      for await (const part of inParts(content)) await upload.add(part);
      await upload.complete();
    },
    async get(key, range) {
      const headers = range && { range: `bytes=${range.start}-${range.end - 1}` };
      const asked = { method: "GET", key: nameOf(key), ...(headers && { headers }) } as const;
      const answer = await requests.send(asked, [404]);
      if (answer.statusCode === 404) {
        await answer.body.dump();
        throw new BlobMissing(`${nameOf(key)} is not in the bucket ${settings.bucket}`);
      }
      return answer.body;
    },
    async remove(key) {
      await abortUploads(requests, settings.prefix + nameOf(key), nameOf(key));
      await requests.ask({ method: "DELETE", key: nameOf(key) }, [404]);
    },
  };
}

/** Content in parts of the size that S3 wants, the last one as small as it is. */
async function* inParts(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let part = Buffer.allocUnsafe(limits.s3_part_bytes);
  let held = 0;
  for await (const chunk of content) {
    for (let taken = 0; taken < chunk.length; ) {
      const length = Math.min(chunk.length - taken, part.length - held);
      part.set(chunk.subarray(taken, taken + length), held);
      taken += length;
      held += length;
      if (held < part.length) continue;
      yield part;
      part = Buffer.allocUnsafe(limits.s3_part_bytes);
      held = 0;
    }
  }
  if (held > 0) yield part.subarray(0, held);
}

/** Of one part it is a plain PUT. Of more they go one after the other: one is held here while the next is filled. */
function beginUpload(requests: S3Requests, key: string) {
  let held: Buffer | null = null;
  let uploadId: string | null = null;
  const tags: string[] = [];

  async function begin(): Promise<string> {
    const { text } = await requests.ask({ method: "POST", key, query: { uploads: "" } });
    const id = elementOf(text, "UploadId");
    if (id === undefined) throw new FileStoreAway("S3: an upload in parts has begun without an id");
    return id;
  }

  async function send(body: Buffer): Promise<string> {
    uploadId ??= await begin();
    const query = { partNumber: String(tags.length + 1), uploadId };
    const answer = await requests.send({ method: "PUT", key, query, body });
    await answer.body.dump();
    tags.push(String(answer.headers.etag));
    return uploadId;
  }

  return {
    async add(part: Buffer): Promise<void> {
      if (held) await send(held);
      held = part;
    },
    async complete(): Promise<void> {
      if (uploadId === null) {
        await requests.ask({ method: "PUT", key, body: held ?? "" });
        return;
      }
      const query = { uploadId: held ? await send(held) : uploadId };
      const parts = tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`);
      const body = `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`;
      const { text } = await requests.ask({ method: "POST", key, query, body });
      // What goes wrong while the parts are put together comes after a status that says 200. Some name the result a response.
      if (/<CompleteMultipartUploadRes(ult|ponse)\b/.test(text)) return;
      throw new FileStoreAway(
        `S3: an upload was not completed: ${elementOf(text, "Code") ?? text.slice(0, 200)}`,
      );
    },
  };
}

/** Of a key that nothing else has: the parts of an upload that was cut off would stay, and be paid for. */
async function abortUploads(requests: S3Requests, prefix: string, key: string): Promise<void> {
  const { text } = await requests.ask({ method: "GET", key: null, query: { uploads: "", prefix } });
  for (const uploadId of elementsOf(text, "UploadId"))
    await requests.ask({ method: "DELETE", key, query: { uploadId } }, [404]);
}
