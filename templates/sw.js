/* The service worker: shows what is pushed, and a page of its own when there is no line. It keeps no film; and a photo
   that another app shares only until the start page has taken it. */
const SHARED = "shared-photo";
const { cache: CACHE, page: PAGE, files: FILES, icon: ICON, home: HOME, target: TARGET, start: START } = JSON.parse("{{ settings_text|escapejs }}");

self.addEventListener("install", event => {
  event.waitUntil(caches.open(CACHE).then(cache => cache.addAll([PAGE, ...FILES])).then(() => self.skipWaiting()));
});

self.addEventListener("activate", event => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name !== CACHE && name !== SHARED) await caches.delete(name);
    await self.registration.navigationPreload?.enable();
  })());
});

/* Everything comes from the network; only without one the page for that, and what it is made of. */
self.addEventListener("fetch", event => {
  const { request } = event;
  if (request.method === "POST" && new URL(request.url).pathname === TARGET) {
    event.respondWith((async () => {
      const photo = (await request.formData()).get("selfie");
      if (photo) await (await caches.open(SHARED)).put(TARGET, new Response(photo, { headers: { "Content-Type": photo.type } }));
      return Response.redirect(photo ? `${START}?shared=1#make` : START, 303);
    })());
    return;
  }
  if (request.method !== "GET") return;
  if (request.mode === "navigate") {
    event.respondWith((async () => {
      try { return (await event.preloadResponse) || await fetch(request); }
      catch { return (await caches.match(PAGE)) || Response.error(); }
    })());
  } else if (FILES.includes(new URL(request.url).pathname)) {
    event.respondWith(fetch(request).catch(async () => (await caches.match(request)) || Response.error()));
  }
});

/* A push without a text we understand is shown all the same: browsers end subscriptions that stay silent. */
self.addEventListener("push", event => {
  let told = {};
  try { told = event.data.json(); } catch { /* shown without words of its own */ }
  const { title = "Selfie Hero", body = "", url = HOME, tag = "job" } = told;
  event.waitUntil(self.registration.showNotification(title, { body, tag, icon: ICON, badge: ICON, data: { url } }));
});

self.addEventListener("notificationclick", event => {
  event.notification.close();
  const url = new URL(event.notification.data?.url || HOME, self.location.origin);
  if (url.origin !== self.location.origin) return;
  event.waitUntil((async () => {
    const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const open = pages.find(page => new URL(page.url).pathname === url.pathname);
    if (open) return open.focus();
    return self.clients.openWindow(url.href);
  })());
});
