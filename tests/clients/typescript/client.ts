// Orders a film and waits for it, with nothing but the types that openapi-typescript makes of our document.
//     node client.js ADDRESS TOKEN PHOTO
import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const [address, token, photo] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl: address, headers: { Authorization: `Token ${token}` } });

const looks = await client.GET("/api/v1/looks/");
const look = looks.data?.[0]?.slug;
if (!look) throw new Error(`no looks: ${looks.error?.detail}`);

const file = new File([await readFile(photo)], "selfie.jpg");
const ordered = await client.POST("/api/v1/jobs/", {
  params: { header: { "Idempotency-Key": crypto.randomUUID() } },
  body: { selfie: file as unknown as string, look, consent: "true", hero_name: "NOVA-7" },
  bodySerializer(body) {
    const form = new FormData();
    for (const [name, value] of Object.entries(body ?? {})) form.append(name, value as string | File);
    return form;
  },
});
if (!ordered.data) throw new Error(`${ordered.error.code}: ${ordered.error.detail}`);

let job: components["schemas"]["Job"] = ordered.data;
for (const until = Date.now() + 90_000; !job.finished_at; ) {
  if (Date.now() > until) throw new Error(`still ${job.stage}`);
  await new Promise((wake) => setTimeout(wake, 250));
  const read = await client.GET("/api/v1/jobs/{job_id}/", { params: { path: { job_id: job.id } } });
  if (!read.data) throw new Error(`${read.error.code}: ${read.error.detail}`);
  job = read.data;
}
const film = job.links.video ? await fetch(new URL(job.links.video, address)) : null;
console.log(JSON.stringify({ status: job.status, hero_name: job.hero_name, film: (await film?.blob())?.size ?? 0 }));
