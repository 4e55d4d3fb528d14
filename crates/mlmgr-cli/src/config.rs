//! Where settings and models come from: flags, then the environment, then a file, then the defaults.

use std::{
    env,
    io::Read,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    args::{Engine, Global, SettingsName},
    failure::Failure,
};

/// The name of the configuration file.
pub(crate) const FILE_NAME: &str = "mlmgr.toml";

/// The longest configuration file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What one source says. The keys of `mlmgr.toml` are these names.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Layer {
    pub(crate) settings: Option<SettingsName>,
    pub(crate) server: Option<String>,
    #[serde(default)]
    pub(crate) server_root: Vec<String>,
    pub(crate) hub: Option<String>,
    pub(crate) hub_layout: Option<String>,
    pub(crate) store: Option<PathBuf>,
    pub(crate) quota: Option<String>,
    pub(crate) keep_free: Option<String>,
    pub(crate) offline: Option<bool>,
    pub(crate) engine: Option<Engine>,
}

/// The settings server to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settings {
    Named(SettingsName),
    Custom { server: String, roots: Vec<String> },
}

/// What all sources together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) settings: Settings,
    pub(crate) hub: Option<String>,
    pub(crate) hub_layout: Option<String>,
    pub(crate) store: Option<PathBuf>,
    /// Bytes that the store may take.
    pub(crate) quota: Option<u64>,
    /// Bytes that must stay free.
    pub(crate) keep_free: Option<u64>,
    pub(crate) offline: bool,
    pub(crate) engine: Engine,
}

impl Config {
    /// Reads all sources.
    pub(crate) fn load(global: &Global) -> Result<Self, Failure> {
        let variables = Layer::from_variables(|name| env::var_os(name))?;
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let named = global.config.clone().or_else(|| variable("MLMGR_CONFIG").map(PathBuf::from));
        let file = match named {
            Some(path) => Layer::from_file(&path)?,
            None => Layer::from_usual_file()?,
        };
        Self::merged(&[Layer::from_flags(global), variables, file])
    }

    /// Puts layers together; for each value the first layer that has it wins.
    pub(crate) fn merged(layers: &[Layer]) -> Result<Self, Failure> {
        fn first<T: Clone>(layers: &[Layer], value: impl Fn(&Layer) -> Option<T>) -> Option<T> {
            layers.iter().find_map(value)
        }
        let mut settings = Settings::Named(SettingsName::Production);
        if let Some(layer) = layers.iter().find(|layer| layer.settings.is_some() || layer.server.is_some()) {
            settings = match (&layer.settings, &layer.server) {
                (Some(name), None) => Settings::Named(*name),
                (None, Some(server)) => {
                    let roots = first(layers, |layer| {
                        (!layer.server_root.is_empty()).then(|| layer.server_root.clone())
                    });
                    Settings::Custom { server: server.clone(), roots: roots.unwrap_or_default() }
                }
                _ => return Err(Failure::usage("both settings and server are given", "keep one of the two")),
            };
        }
        if let Settings::Custom { server, roots } = &settings
            && roots.is_empty()
        {
            return Err(Failure::usage(
                format!("no root certificate is given for the settings server {server}"),
                "add --server-root with the SHA-256 of the root that its signatures end in",
            ));
        }
        Ok(Self {
            settings,
            hub: first(layers, |layer| layer.hub.clone()),
            hub_layout: first(layers, |layer| layer.hub_layout.clone()),
            store: first(layers, |layer| layer.store.clone()),
            quota: first(layers, |layer| layer.quota.clone()).map(|size| parse_size(&size)).transpose()?,
            keep_free: first(layers, |layer| layer.keep_free.clone())
                .map(|size| parse_size(&size))
                .transpose()?,
            offline: first(layers, |layer| layer.offline).unwrap_or(false),
            engine: first(layers, |layer| layer.engine).unwrap_or(Engine::Native),
        })
    }
}

impl Layer {
    fn from_flags(global: &Global) -> Self {
        Self {
            settings: global.settings,
            server: global.server.clone(),
            server_root: global.server_root.clone(),
            hub: global.hub.clone(),
            hub_layout: global.hub_layout.clone(),
            store: global.store.clone(),
            quota: global.quota.clone(),
            keep_free: global.keep_free.clone(),
            offline: global.offline.then_some(true),
            engine: global.engine,
        }
    }

    /// Reads the variables; an empty one counts as absent.
    fn from_variables(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Self, Failure> {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| {
            let value = get(name).map(std::ffi::OsString::into_string).transpose();
            value.map_err(|_| Failure::usage(format!("the variable {name} is not UTF-8"), "set it again"))
        };
        let offline = match text("MLMGR_OFFLINE")?.as_deref() {
            None => None,
            Some("1" | "true" | "yes") => Some(true),
            Some("0" | "false" | "no") => Some(false),
            Some(other) => {
                let message = format!("the variable MLMGR_OFFLINE is {other:?}");
                return Err(Failure::usage(message, "set it to 1 or 0"));
            }
        };
        let roots = text("MLMGR_SERVER_ROOT")?.unwrap_or_default();
        let roots = roots.split(',').map(str::trim).filter(|root| !root.is_empty());
        Ok(Self {
            settings: None,
            server: text("MLMGR_SERVER")?,
            server_root: roots.map(str::to_owned).collect(),
            hub: text("MLMGR_HUB")?,
            hub_layout: text("MLMGR_HUB_LAYOUT")?,
            store: get("MLMGR_STORE").map(PathBuf::from),
            quota: text("MLMGR_QUOTA")?,
            keep_free: text("MLMGR_KEEP_FREE")?,
            offline,
            engine: None,
        })
    }

    /// Reads the file in this folder, or else the one in the platform's configuration folder.
    fn from_usual_file() -> Result<Self, Failure> {
        let platform = directories::ProjectDirs::from("", "", "mlmgr");
        let platform = platform.map(|dirs| dirs.config_dir().join(FILE_NAME));
        for path in [Some(PathBuf::from(FILE_NAME)), platform].into_iter().flatten() {
            if path.is_file() {
                return Self::from_file(&path);
            }
        }
        Ok(Self::default())
    }

    fn from_file(path: &Path) -> Result<Self, Failure> {
        let name = path.display();
        let io = |error: std::io::Error| {
            Failure::usage(format!("the configuration file {name} cannot be read: {error}"), "check its path")
        };
        let mut text = Vec::new();
        // What is no plain file has no length, and perhaps no end.
        let read =
            std::fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text));
        if read.map_err(io)? as u64 > MAX_FILE_BYTES {
            let message = format!("the configuration file {name} is larger than {MAX_FILE_BYTES} bytes");
            return Err(Failure::usage(message, "name another file with --config"));
        }
        let text = String::from_utf8(text).map_err(|_| {
            Failure::usage(format!("the configuration file {name} is not UTF-8"), "save it as UTF-8")
        })?;
        let mut layer: Self = toml::from_str(&text).map_err(|error| {
            let line =
                error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            let message =
                format!("the configuration file {name} is wrong in line {line}: {}", error.message());
            Failure::usage(message, "its keys are described in docs/cli.md")
        })?;
        // A relative store is meant from where the file is.
        if let (Some(store), Some(folder)) = (&mut layer.store, path.parent()) {
            *store = folder.join(&*store);
        }
        Ok(layer)
    }
}

/// Reads a size: a number with or without a unit of 1000 or 1024, such as `500MB`, `1.5 GiB` or `0`.
fn parse_size(text: &str) -> Result<u64, Failure> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("b", 1),
        ("kb", 1000),
        ("mb", 1000_u64.pow(2)),
        ("gb", 1000_u64.pow(3)),
        ("tb", 1000_u64.pow(4)),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
    ];
    let wrong =
        || Failure::usage(format!("{text:?} is no size"), "write it as 500MB, 20GiB or a number of bytes");
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    if let Ok(number) = number.parse::<u64>() {
        return number.checked_mul(*factor).ok_or_else(wrong);
    }
    // Nobody counts parts of bytes.
    let bytes = number.parse::<f64>().map_err(|_| wrong())? * *factor as f64;
    if *factor == 1 || !bytes.is_finite() || bytes >= u64::MAX as f64 {
        Err(wrong())
    } else {
        Ok(bytes as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> Layer {
        toml::from_str(text).expect("the test's own text parses")
    }

    #[test]
    fn the_first_layer_that_has_a_value_wins() {
        let flags = layer("hub = 'http://flag/'");
        let variables = layer("hub = 'http://variable/'\nstore = 'variable'");
        let file = layer("hub = 'http://file/'\nstore = 'file'\noffline = true");
        let config = Config::merged(&[flags, variables, file]).expect("the layers agree");
        assert_eq!(config.hub.as_deref(), Some("http://flag/"));
        assert_eq!(config.store, Some("variable".into()));
        assert!(config.offline);
        assert_eq!(config.settings, Settings::Named(SettingsName::Production));
        assert_eq!(config.engine, Engine::Native);
    }

    #[test]
    fn a_named_server_replaces_an_address_from_below() {
        let file = layer("server = 'http://file/v1'\nserver-root = ['aa']");
        let config = Config::merged(&[layer("settings = 'stage'"), file.clone()]).expect("they agree");
        assert_eq!(config.settings, Settings::Named(SettingsName::Stage));
        let config = Config::merged(&[layer("server = 'http://flag/v1'"), file]).expect("they agree");
        let roots = vec!["aa".to_owned()];
        assert_eq!(config.settings, Settings::Custom { server: "http://flag/v1".to_owned(), roots });
    }

    #[test]
    fn a_server_needs_a_root() {
        assert!(Config::merged(&[layer("server = 'http://x/v1'")]).is_err());
        assert!(
            Config::merged(&[layer("server = 'http://x/v1'\nsettings = 'dev'\nserver-root = ['aa']")])
                .is_err()
        );
    }

    #[test]
    fn sizes_have_units() {
        let sizes =
            [("0", 0), ("123", 123), ("5 kB", 5000), ("1.5GiB", 3 << 29), (" 2 TiB ", 2 << 40), ("7b", 7)];
        for (text, size) in sizes {
            assert_eq!(parse_size(text).expect("a size"), size, "{text}");
        }
        for text in
            ["", "GiB", "1.5", "-1", "1e3", "20 GB of it", "99999999999TiB", "18446744073709551616", "."]
        {
            assert!(parse_size(text).is_err(), "{text}");
        }
        let config = Config::merged(&[layer("quota = '1MiB'"), layer("quota = '2MiB'\nkeep-free = '1'")]);
        let config = config.expect("the layers agree");
        assert_eq!((config.quota, config.keep_free), (Some(1 << 20), Some(1)));
        assert!(Config::merged(&[layer("keep-free = 'much'")]).is_err());
    }

    #[test]
    fn variables_are_read_and_checked() {
        let read = |pairs: &[(&str, &str)]| {
            let pairs: std::collections::HashMap<_, _> =
                pairs.iter().map(|(name, value)| (name.to_string(), value.into())).collect();
            Layer::from_variables(|name| pairs.get(name).cloned())
        };
        let layer = read(&[("MLMGR_SERVER_ROOT", "aa, bb"), ("MLMGR_OFFLINE", "1"), ("MLMGR_HUB", "")]);
        let layer = layer.expect("the variables are right");
        assert_eq!(layer.server_root, ["aa", "bb"]);
        assert_eq!((layer.offline, layer.hub), (Some(true), None));
        assert!(read(&[("MLMGR_OFFLINE", "perhaps")]).is_err());
    }
}
