//! The page at `/`: where the rest is.

use crate::version;

const LINKS: [(&str, &str); 12] = [
    ("varz", "General"),
    ("jsz", "JetStream"),
    ("connz", "Connections"),
    ("accountz", "Accounts"),
    ("accstatz", "Account Stats"),
    ("subsz", "Subscriptions"),
    ("routez", "Routes"),
    ("leafz", "LeafNodes"),
    ("gatewayz", "Gateways"),
    ("healthz", "Health Probe"),
    ("metrics", "Prometheus Metrics"),
    ("readyz", "Readiness Probe"),
];

/// Links are relative, so that they hold under any base path and behind any proxy.
pub(crate) fn page() -> String {
    let links: String = LINKS.iter().map(|(path, name)| format!("  <a href=\"./{path}\">{name}</a>\n")).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Firn</title>\n<style>\n  body \
         {{ font-family: system-ui, sans-serif; margin: 2em }}\n  a {{ display: block; padding: 0.2em 0; color: \
         #34545c; text-decoration: none }}\n  a:hover {{ text-decoration: underline \
         }}\n</style>\n</head>\n<body>\n<h1>Firn</h1>\n<p>compatible with nats-server \
         {}</p>\n{links}</body>\n</html>\n",
        version::NATS
    )
}
