// Turn the plain page into the interactive one. The validator and every other service elsewhere are switched off.
(() => {
  "use strict";
  const main = document.getElementById("api");
  const { url, csrf } = main.dataset;
  window.SwaggerUIBundle({
    url,
    domNode: main,
    docExpansion: main.querySelectorAll("section").length > 20 ? "none" : "list",
    deepLinking: true,
    filter: true,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    validatorUrl: null,
    requestInterceptor: (request) => {
      if (new URL(request.url, location.href).origin !== location.origin) {
        throw new Error("this page asks its own server only");
      }
      if (request.loadSpec) {
        request.headers.Accept = "application/openapi+json";
      } else if (csrf) {
        request.headers["X-CSRF-Token"] = csrf;
      }
      return request;
    },
  });
})();
