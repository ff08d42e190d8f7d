import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../config.ts";

const machine = { uid: 1000, home: "/home/somebody" };
const keys = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };
const filesOf = (env: Record<string, string>) =>
  readConfig({ HOME: "/home/somebody", ...env }, machine).files;

test("files lie in the data directory, and may not be downloaded, unless it is said", () => {
  assert.deepEqual(filesOf({ DROVER_DATA_DIR: "/data" }), {
    store: { type: "folder", path: "/data/file-store" },
    quota_bytes: null,
    uploads_downloadable: false,
  });
  const { store, ...rules } = filesOf({
    DROVER_FILES: "/mnt/files",
    DROVER_FILES_QUOTA: "1.5",
    DROVER_FILES_DOWNLOADABLE: "1",
  });
  assert.deepEqual(store, { type: "folder", path: "/mnt/files" });
  assert.deepEqual(rules, { quota_bytes: 1.5 * 2 ** 30, uploads_downloadable: true });
});

test("a bucket is that of AWS, or of whoever answers at an endpoint", () => {
  const credentials = { access_key_id: "id", secret_access_key: "secret", session_token: null };
  assert.deepEqual(filesOf({ DROVER_FILES: "s3://my.bucket", ...keys }).store, {
    type: "s3",
    bucket: "my.bucket",
    prefix: "",
    endpoint: "https://s3.us-east-1.amazonaws.com",
    region: "us-east-1",
    credentials,
  });
  const url = "s3://my-bucket/some/where/?endpoint=http://10.0.0.9:9000&region=garage";
  assert.deepEqual(filesOf({ DROVER_FILES: url, ...keys, AWS_SESSION_TOKEN: "token" }).store, {
    type: "s3",
    bucket: "my-bucket",
    prefix: "some/where/",
    endpoint: "http://10.0.0.9:9000",
    region: "garage",
    credentials: { ...credentials, session_token: "token" },
  });
});

test("what cannot be meant is named", () => {
  const cases: [env: Record<string, string>, says: RegExp][] = [
    [{ DROVER_FILES: "files" }, /DROVER_FILES: must be an absolute path, or s3:\/\/bucket/],
    [{ DROVER_FILES: "http://bucket" }, /DROVER_FILES: must be an absolute path/],
    [{ DROVER_FILES: "s3://B" }, /DROVER_FILES: must be an absolute path/],
    [{ DROVER_FILES: "s3://bucket?regoin=x", ...keys }, /DROVER_FILES: regoin is not known/],
    [{ DROVER_FILES: "s3://bucket?endpoint=minio:9000", ...keys }, /DROVER_FILES: endpoint must be an http/],
    [{ DROVER_FILES: "s3://bucket?region=EU West", ...keys }, /DROVER_FILES: region must be one such as/],
    [{ DROVER_FILES: "s3://bucket/a?b%20c", ...keys }, /DROVER_FILES: b c is not known/],
    [
      { DROVER_FILES: "s3://bucket" },
      /AWS_ACCESS_KEY_ID: is missing[\s\S]*AWS_SECRET_ACCESS_KEY: is missing/,
    ],
    [{ DROVER_FILES_QUOTA: "much" }, /DROVER_FILES_QUOTA: must be a number of GB/],
    [{ DROVER_FILES_DOWNLOADABLE: "yes" }, /DROVER_FILES_DOWNLOADABLE: must be 0 or 1/],
  ];
  for (const [env, says] of cases) assert.throws(() => filesOf(env), says, JSON.stringify(env));
});
