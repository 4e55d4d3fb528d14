//! From the configuration to a manager.

use std::{path::PathBuf, sync::Arc};

use mlmgr::{
    EngineKind, Hub, HubKind, Manager, RootHash, Server, Transport,
    transport::{
        Error, HttpOptions, HttpTransport, Method, Offline, Proxy, Request, Response, Retry, RetryPolicy,
    },
};

use crate::{
    args::{Engine, Global, SettingsName},
    config::{Config, Settings},
    failure::Failure,
    output::error_line,
};

/// How often a request that fails for a passing reason is made; someone is waiting.
const ATTEMPTS: u32 = 3;

/// Makes the manager that the command line, the environment and the file ask for.
pub(crate) fn manager(global: &Global, accept_emptied: bool) -> Result<Manager, Failure> {
    let config = Config::load(global)?;
    let mut builder = Manager::builder()
        .settings(server(&config.settings)?)
        .hub(hub(config.hub.as_deref(), config.hub_layout.as_deref())?)
        .folder(store(config.store)?)
        .engine(engine(config.engine)?)
        .dangerously_allow_any_hub(global.dangerously_allow_any_hub)
        .accept_emptied_settings(accept_emptied);
    if let Some(bytes) = config.quota {
        builder = builder.quota(bytes);
    }
    if let Some(bytes) = config.keep_free {
        builder = builder.keep_free(bytes);
    }
    builder =
        builder.transport(if config.offline { Arc::<Offline>::default() } else { online(global.verbose)? });
    Ok(builder.build()?)
}

fn online(verbose: bool) -> Result<Arc<dyn Transport>, Failure> {
    let mut options = HttpOptions::new("mlmgr", env!("CARGO_PKG_VERSION"));
    options.proxy = Proxy::System;
    let http = HttpTransport::new(options);
    let http = http.map_err(|error| Failure::other(format!("requests cannot be made: {error}")))?;
    let mut policy = RetryPolicy::default();
    policy.attempts = ATTEMPTS;
    // Inside of the retries, so that each of them is shown.
    Ok(if verbose { Arc::new(Retry::new(Traced(http), policy)) } else { Arc::new(Retry::new(http, policy)) })
}

fn server(settings: &Settings) -> Result<Server, Failure> {
    let (server, roots) = match settings {
        Settings::Named(SettingsName::Production) => return Ok(Server::production()),
        Settings::Named(SettingsName::Stage) => return Ok(Server::stage()),
        Settings::Named(SettingsName::Dev) => return Ok(Server::dev()),
        Settings::Custom { server, roots } => (server, roots),
    };
    let url: url::Url = server.parse().map_err(|error| {
        Failure::usage(
            format!("{server:?} is no address of a settings server: {error}"),
            "it is a URL that ends in /v1 or /v2",
        )
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        let message = format!("{server:?} is no address of a settings server");
        return Err(Failure::usage(message, "it begins with https:// or http:// and ends in /v1 or /v2"));
    }
    check_no_password("settings server", &url)?;
    let root = |text: &String| {
        text.parse::<RootHash>().map_err(|_| {
            Failure::usage(format!("{text:?} is no SHA-256 of a certificate"), "it has 64 hexadecimal digits")
        })
    };
    Ok(Server::custom(url, roots.iter().map(root).collect::<Result<_, _>>()?))
}

/// Refuses a secret where it would be printed; so the address is not repeated.
fn check_no_password(what: &str, url: &url::Url) -> Result<(), Failure> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    let message = format!("the address of the {what} has a user name or a password");
    Err(Failure::usage(message, "leave them out: addresses are printed and logged"))
}

/// Without an address, a layout stands for its best known hub; without a layout, the address may.
fn hub(address: Option<&str>, layout: Option<&str>) -> Result<Hub, Failure> {
    let Some(address) = address else {
        return match layout {
            None => Ok(Hub::mozilla()),
            Some("mozilla") => Ok(Hub::mozilla()),
            Some("huggingface") => Ok(Hub::hugging_face()),
            Some(template) => Err(Failure::usage(
                format!("the hub layout {template:?} has no address"),
                "add the hub's address with --hub",
            )),
        };
    };
    let invalid = |error: &dyn std::fmt::Display| {
        Failure::usage(
            format!("{address:?} with this layout is no hub: {error}"),
            "see --hub and --hub-layout in mlmgr --help",
        )
    };
    let url: url::Url = address.parse().map_err(|error| invalid(&error))?;
    check_no_password("hub", &url)?;
    let layout = layout.unwrap_or(if url.host_str() == Hub::mozilla().root().host_str() {
        "mozilla"
    } else {
        "huggingface"
    });
    match layout.parse::<HubKind>() {
        Ok(kind) => Hub::new(kind, url).map_err(|error| invalid(&error)),
        Err(_) => Hub::custom(url, layout).map_err(|error| invalid(&error)),
    }
}

fn store(configured: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let platform = || directories::ProjectDirs::from("", "", "mlmgr").map(|dirs| dirs.cache_dir().to_owned());
    configured.or_else(platform).ok_or_else(|| {
        Failure::usage("this account has no folder for caches", "name a folder with --store or MLMGR_STORE")
    })
}

fn engine(engine: Engine) -> Result<EngineKind, Failure> {
    let kind = match engine {
        Engine::Native => EngineKind::Native,
        Engine::CandleOnnx => EngineKind::CandleOnnx,
    };
    if kind.is_available() {
        return Ok(kind);
    }
    Err(Failure::unsupported(
        format!("this build of mlmgr has no engine {kind}"),
        "build it with --features candle-onnx, or use --engine native",
    ))
}

/// Prints each request on standard error.
#[derive(Debug)]
struct Traced(HttpTransport);

#[async_trait::async_trait]
impl Transport for Traced {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        let method = match request.method() {
            Method::Head => "HEAD",
            _ => "GET",
        };
        let line = format!("request: {method} {}", request.url());
        let answer = self.0.send(request).await;
        match &answer {
            Ok(response) => error_line(&format!("{line} -> {}", response.status)),
            Err(error) => error_line(&format!("{line} -> {:?}", error.kind())),
        }
        answer
    }
}
