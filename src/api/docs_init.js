// Starts Swagger UI on this server's own document; nothing is fetched from elsewhere.
window.addEventListener("load", () => {
  window.SwaggerUIBundle({
    dom_id: "#ui",
    url: "/openapi.json",
    deepLinking: true,
    validatorUrl: null,
    persistAuthorization: false,
  });
});
