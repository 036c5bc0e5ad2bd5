/**
 * Reads what each operation takes and answers out of the generated types, so that a call that is not in the document
 * does not compile.
 */
import type { components, paths } from "./openapi";

export type Schemas = components["schemas"];
export type Path = keyof paths;
type Method = "get" | "post" | "delete";
type Operation<P extends Path, M extends Method> = NonNullable<paths[P][M]>;

/** The methods that a path has. */
export type MethodOf<P extends Path> = {
  [M in Method]: paths[P][M] extends { responses: unknown } ? M : never;
}[Method];

type JsonOf<R> = R extends { content: { "application/json": infer Body } } ? Body : never;

/** The JSON of a success; errors are `application/problem+json`. */
export type Answer<P extends Path, M extends Method> =
  Operation<P, M> extends { responses: infer R } ? JsonOf<R[keyof R]> : never;

type Body<P extends Path, M extends Method> =
  Operation<P, M> extends { requestBody: infer R } ? { body: JsonOf<R> } : { body?: undefined };
type Parameters<P extends Path, M extends Method> =
  Operation<P, M> extends { parameters: { path: infer V } } ? { path: V } : { path?: undefined };
type Query<P extends Path, M extends Method> =
  Operation<P, M> extends { parameters: { query?: infer Q } } ? { query?: Q } : { query?: undefined };

export type Options<P extends Path, M extends Method> = Body<P, M> &
  Parameters<P, M> &
  Query<P, M> & { signal?: AbortSignal; token?: string | null };
