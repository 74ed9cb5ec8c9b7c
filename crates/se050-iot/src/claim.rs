//! `se050-iot claim`: a certificate of AWS IoT for the key in the chip, in exchange for a claim certificate; and a new one before it
//! expires.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_iot_device::FleetProvisioning;
use aws_iot_mqtt::{Client, DisconnectReason, Reconnect};
use clap::Args;
use device_identity::{DeviceConfig, KeyConfig};
use rustls_se050::rustls::ClientConfig;
use rustls_se050::rustls::pki_types::pem::PemObject as _;
use rustls_se050::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use se050_device::{DeviceArgs, DeviceSettings};
use se050_key::{Certificate, Key, LONGEST_COMMON_NAME, Selector};
use tokio::time::{Instant, sleep};

use crate::connection::name_and_value;
use crate::exit::Exit;
use crate::files;
use crate::terminal::say;

/// How long a certificate that was just made ACTIVE may be unknown to the broker.
const BECOMING_KNOWN: Duration = Duration::from_secs(60);
/// The pause between two attempts to connect with it.
const PAUSE: Duration = Duration::from_secs(3);

const EXAMPLES: &str = "\
In this order:
  operator     se050-iot policy device --provisioning gateways     prints how the template is made
               se050-iot policy claim --template gateways          prints the policy of the claim certificate
  each device  se050-iot claim --template gateways --claim-cert claim.pem --claim-key claim.key --endpoint HOST \\
                 --key-label sss:100100F0 --thing-name gw-00C0A1 --device-config /etc/device.toml
  later        se050-iot claim --renew --template gateways --config /etc/device.toml

The private key stays in the chip, which signs the request for the certificate. The new certificate is a file beside the device
configuration. The claim's two files are removed once the device has connected with it.
With --renew, the device connects under its own client id, as its policy wants it: an application that is connected under that id loses its
connection, and what AWS IoT holds for it in a persistent session. Stop the application before, or let it renew the certificate itself
over its own connection: docs/device-services.md shows how.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ClaimArgs {
    /// The provisioning template
    #[arg(long, value_name = "NAME")]
    template: String,
    /// The claim certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "claim_key", required_unless_present = "renew")]
    claim_cert: Option<PathBuf>,
    /// The private key of the claim certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "claim_cert")]
    claim_key: Option<PathBuf>,
    /// Do not remove the claim certificate and its key afterwards
    #[arg(long)]
    keep_claim: bool,
    /// A new certificate for a device that has one: --config says which. The old one is kept beside it
    #[arg(long, conflicts_with_all = ["claim_cert", "device_config"], requires = "config")]
    renew: bool,
    /// The thing's name, as the template's parameter ThingName
    #[arg(long, visible_alias = "thing", value_name = "NAME")]
    thing_name: Option<String>,
    /// Another parameter of the template; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = name_and_value)]
    parameters: Vec<(String, String)>,
    /// Where the device configuration is written, with the certificate beside it
    #[arg(long, value_name = "FILE", default_value = "device.toml")]
    device_config: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &ClaimArgs) -> anyhow::Result<Exit> {
    let settings = args.device.options().settings()?;
    let endpoint = settings.endpoint()?.to_owned();
    let selector = settings.key()?.clone();
    let target = args.target()?;
    let (key, current) = if args.renew {
        let (label, file) = (settings.certificate.as_ref(), settings.certificate_file.as_deref());
        let opened =
            settings.token.open(&selector, label, file, "the certificate that is in use is needed")?;
        (opened.key, Some(opened.certificate))
    } else {
        (settings.token.token(&[&selector])?.key(&selector, None)?, None)
    };
    let parameters = args.parameters(&target);
    let common_name = target.thing.clone().unwrap_or_else(|| "se050".to_owned());
    // A thing's name may be longer; AWS IoT does not look at the common name.
    let request = key.certificate_request(&format!("{common_name:.LONGEST_COMMON_NAME$}"))?;
    let builder = match (current, &args.claim_cert, &args.claim_key) {
        (Some(certificate), ..) => {
            let device = settings.clone().device(key.clone(), certificate)?;
            say!(
                "connecting as client '{}': an application that is connected under this id loses its connection, and what AWS IoT \
                 holds for it in a persistent session",
                device.client_id()
            );
            device.client()
        }
        (None, Some(certificate), Some(private)) => {
            let tls = claim_tls(&settings, certificate, private)?;
            // Any number of devices share the claim: each needs a client id of its own.
            let id = settings.client_id.clone().or_else(|| target.thing.clone());
            let id = id.unwrap_or_else(|| format!("claim-{:.16}", key.public_key().fingerprint()));
            let builder = Client::builder(&endpoint, &id, tls).port(settings.port);
            match settings.proxy_to(&endpoint)? {
                Some(proxy) => builder.proxy(proxy),
                None => builder,
            }
        }
        _ => bail!("the claim certificate is missing: --claim-cert <FILE> and --claim-key <FILE>"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let used = if args.renew { "the certificate that is in use" } else { "the claim certificate" };
        let client = builder.connect().await.with_context(|| format!("cannot connect with {used}"))?;
        let mut provisioning = FleetProvisioning::new(&client, &args.template)?;
        let issued = provisioning.create_certificate_from_csr(&request).await?;
        say!("AWS IoT has issued certificate {}", issued.certificate_id);
        let fresh = files::with_ending(&target.certificate, "new");
        files::write_whole(&fresh, issued.certificate_pem.as_bytes())?;
        let registration = provisioning.register_thing(&issued, parameters).await?;
        // The new connection may have the same client id.
        client.disconnect(DisconnectReason::Normal).await?;
        let thing = registration.thing_name.or_else(|| target.thing.clone());
        let thing = thing.context("the template makes no thing: name it with --thing-name")?;
        say!("registered as '{thing}'");
        let certificate = Certificate::from_file(&fresh)?;
        connect(settings.clone(), &thing, key, certificate).await.with_context(|| {
            format!(
                "the new certificate does not connect; it is in {}, and what was in use before is unchanged",
                fresh.display()
            )
        })?;
        target.put(&thing, &selector, &settings, args, &fresh)?;
        if let (Some(certificate), Some(key), false) = (&args.claim_cert, &args.claim_key, args.keep_claim) {
            for file in [key, certificate] {
                std::fs::remove_file(file)
                    .with_context(|| format!("cannot remove the claim, {}", file.display()))?;
            }
            say!("the claim is removed");
        }
        say!(
            "next: se050-iot doctor --config {}",
            crate::shell::quoted(&target.config.display().to_string())
        );
        Ok(Exit::Good)
    })
}

/// What is written.
struct Target {
    config: PathBuf,
    certificate: PathBuf,
    /// The thing's name, where it is known before.
    thing: Option<String>,
    /// What is there already.
    before: Option<DeviceConfig>,
}

impl ClaimArgs {
    fn target(&self) -> anyhow::Result<Target> {
        let config = match (&self.device.config, self.renew) {
            (Some(config), true) => config.clone(),
            _ => self.device_config.clone(),
        };
        // Programs read it from wherever they are started.
        let config =
            std::path::absolute(&config).with_context(|| format!("cannot use {}", config.display()))?;
        let certificate = config.with_extension("pem");
        if !self.renew && config.exists() {
            bail!("{} is there already: for a new certificate of this device, --renew", config.display());
        }
        let before = self.renew.then(|| DeviceConfig::from_file(&config)).transpose()?;
        let known = before.as_ref().map(|config| config.thing.clone());
        Ok(Target { thing: self.thing_name.clone().or(known), config, certificate, before })
    }

    fn parameters(&self, target: &Target) -> Vec<(String, String)> {
        let thing = target.thing.iter().map(|thing| ("ThingName".to_owned(), thing.clone()));
        thing.chain(self.parameters.iter().cloned()).collect()
    }
}

impl Target {
    /// Puts the new certificate in its place, and names it in the device configuration. The old one is kept.
    fn put(
        &self,
        thing: &str,
        key: &Selector,
        settings: &DeviceSettings,
        args: &ClaimArgs,
        fresh: &Path,
    ) -> anyhow::Result<()> {
        if self.certificate.exists() {
            // A copy: the device configuration names a certificate at each moment, should the power fail.
            let old = files::with_ending(&self.certificate, "old");
            let current = std::fs::read(&self.certificate);
            let current = current.with_context(|| format!("cannot read {}", self.certificate.display()))?;
            files::write_whole(&old, &current)?;
            say!(
                "the old certificate is kept in {}; it is ACTIVE until an operator deactivates it",
                old.display()
            );
        }
        files::rename(fresh, &self.certificate)?;
        let mut config = match &self.before {
            Some(before) => before.clone(),
            None => {
                let mut config =
                    DeviceConfig::new(settings.endpoint()?, thing, KeyConfig::from(key.to_string().as_str()));
                config.port = settings.port;
                config.ca_file = settings.ca_file.as_deref().map(files::absolute).transpose()?;
                config.key.pkcs11_lib =
                    settings.token.pkcs11_lib.as_deref().map(files::absolute).transpose()?;
                config.key.token_label = settings.token.token_label.clone();
                config.key.pin_file = settings.token.pin_file.as_deref().map(files::absolute).transpose()?;
                args.device.put_connection_into(&mut config);
                config
            }
        };
        config.key.certificate = None;
        config.key.certificate_file = Some(self.certificate.display().to_string());
        files::write_whole(&self.config, config.to_toml()?.as_bytes())?;
        say!("written: {} and {}", self.config.display(), self.certificate.display());
        Ok(())
    }
}

/// TLS with the claim certificate, whose key is a file.
fn claim_tls(settings: &DeviceSettings, certificate: &Path, key: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let unusable = |file: &Path| format!("cannot use the claim, {}", file.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| unusable(certificate))?;
    let private = PrivateKeyDer::from_pem_file(key).with_context(|| unusable(key))?;
    let builder = ClientConfig::builder_with_provider(rustls_se050::default_provider()?)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(settings.roots()?);
    Ok(Arc::new(builder.with_client_auth_cert(chain, private).with_context(|| unusable(key))?))
}

/// Connects once with the new certificate.
async fn connect(
    mut settings: DeviceSettings,
    thing: &str,
    key: Key,
    certificate: Certificate,
) -> anyhow::Result<()> {
    settings.client_id = Some(thing.to_owned());
    let device = settings.device(key, certificate)?;
    let until = Instant::now() + BECOMING_KNOWN;
    loop {
        match device.client().reconnect(Reconnect::never()).connect().await {
            Ok(client) => return Ok(client.disconnect(DisconnectReason::Normal).await?),
            Err(error) if Instant::now() < until => {
                say!("not yet: {}", error.report());
                sleep(PAUSE).await;
            }
            Err(error) => return Err(device.explained(error)),
        }
    }
}
