import { z } from "zod";

/** What an archive says of the images in it. Other fields are not of interest. */

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "must be a sha256 digest");
const platform = z.object({ os: z.string(), architecture: z.string() });

/** Of the OCI image layout. */
export const ociIndex = z.object({
  manifests: z
    .array(
      z.object({
        mediaType: z.string().optional(),
        digest,
        platform: platform.optional(),
        annotations: z.record(z.string(), z.string()).nullish(),
      }),
    )
    .max(1_000),
});
export type OciDescriptor = z.infer<typeof ociIndex>["manifests"][number];

export const ociManifest = z.object({
  config: z.object({ digest }),
  layers: z.array(z.object({ digest, mediaType: z.string().optional() })),
});

/** Of `docker save`. */
export const savedImages = z.array(
  z.object({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()) }),
);

export const imageConfig = z.object({
  architecture: z.string(),
  os: z.string(),
  config: z.object({ Env: z.array(z.string()).nullish() }).nullish(),
  rootfs: z.object({ diff_ids: z.array(digest) }),
});
export type ImageConfig = z.infer<typeof imageConfig>;
