//! Servers, faults and certificates on loopback for tests and the demo.
//!
//! Development only: never a dependency of a shipped crate. Apart from `content-id` it shares no code with what it
//! tests, so that a mistake on one side shows on the other.
//!
//! ```
//! use testkit::{hub::{HubOptions, HubServer}, onnx::tiny_model, settings::{SettingsOptions, SettingsServer}};
//!
//! let hub = HubServer::start(HubOptions::hugging_face());
//! hub.add_model("org/tiny", "v1", tiny_model());
//! let settings = SettingsServer::start(SettingsOptions::default());
//! let record = serde_json::json!({"id": "embed", "taskName": "feature-extraction", "modelId": "org/tiny"});
//! let timestamp = settings.set_record("ml-inference-options", record);
//! assert_eq!(settings.timestamp("ml-inference-options"), timestamp);
//! println!("a client is given {}, {} and {}", settings.url(), settings.root_hash(), hub.url());
//! ```

pub mod http;
pub mod hub;
pub mod onnx;
pub mod pki;
pub mod replay;
pub mod settings;
pub mod tls;
pub mod zip;
