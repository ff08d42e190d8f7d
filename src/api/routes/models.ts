import { z } from "zod";
import type { ModelListing } from "../../models/listing.ts";
import { invalid, notFound } from "../../protocol/errors.ts";
import {
  type ListModelsQuery,
  listModelsQuery,
  type ModelInfo,
  type ModelPage,
  modelInfo,
  modelPage,
} from "../../protocol/models.ts";
import { type Route, route } from "../route.ts";

export const modelRoutes = (listing: ModelListing): Route[] => [
  route({
    method: "GET",
    path: "/v1/models",
    beta: null,
    summary: "List the models",
    query: listModelsQuery,
    response: modelPage,
    handle: async ({ query }) => pageOf(await listing.all(), query),
  }),
  route({
    method: "GET",
    path: "/v1/models/{model_id}",
    beta: null,
    summary: "Get a model, or the one that an alias stands for",
    params: { model_id: z.string().min(1).max(256) },
    response: modelInfo,
    async handle({ params: { model_id } }) {
      const info = await listing.find(model_id);
      if (!info) throw notFound(`model: ${model_id}`);
      return info;
    },
  }),
];

/** `before_id` asks for the last ones before it. */
function pageOf(models: ModelInfo[], query: ListModelsQuery): ModelPage {
  const { limit, before_id, after_id, lifecycle = ["active", "deprecated"] } = query;
  const all = models.filter((model) => lifecycle.includes(model.lifecycle));
  const place = (name: "before_id" | "after_id", id: string): number => {
    const found = all.findIndex((model) => model.id === id);
    if (found < 0) throw invalid(`${name}: "${id}" is not in the list`);
    return found;
  };
  const end = before_id === undefined ? null : place("before_id", before_id);
  const start = after_id === undefined ? Math.max(0, (end ?? 0) - limit) : place("after_id", after_id) + 1;
  const data = all.slice(start, end ?? start + limit);
  return {
    data,
    has_more: end === null ? start + limit < all.length : start > 0,
    first_id: data.at(0)?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  };
}
