//! `se050-iot up`: from the chip to the first message, for a device whose operator sits in front of it.

mod args;
mod config_file;
mod first_message;
mod progress;
mod report;

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use aws_iot_provision::{Applied, Device, DeviceCertificate, Plan, Progress as Event, Purpose, Rights};
use device_identity::{DeviceConfig, Identity, KeyConfig, Requirements};
use se050_device::{DeviceSettings, KeyAndCertificate};
use se050_key::{NXP_MODULE, Selector};

pub(crate) use args::UpArgs;
use config_file::ConfigFile;
use progress::{Progress, Stage};
use report::{Chip, Report};

use crate::account::{Account, agreed, runtime, warn_of};
use crate::chip::FIRST_FACTORY_KEY;
use crate::exit::Exit;
use crate::files::absolute;
use crate::provision::settings;
use crate::terminal::say;

/// The topic of the first message, below the device's own prefix.
const TOPIC: &str = "up";

const NO_CERTIFICATE: &str = "name the device's certificate: --cert FILE, or --cert-label LABEL";

/// Registers this device and sends its first message, or shows with `--plan` what would be done.
pub(crate) fn run(args: &UpArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    ensure!(
        !args.settings.inactive,
        "`up` connects at once, and a certificate that is INACTIVE cannot: use `se050-iot provision --inactive`"
    );
    let mut progress = Progress::default();
    let file = ConfigFile::read(args.file(), &args.thing);
    let (connection, device) = match progress.at(Stage::Chip, read_chip(args, &file))? {
        Ok(found) => found,
        Err(refused) => {
            say!("Error: {}", se050_device::chain(&refused));
            return Ok(Exit::Refused);
        }
    };
    progress.done(format!("certificate {} read from the chip", device.certificate.fingerprint()));
    runtime()?.block_on(go(args, file, connection, device, progress, out))
}

/// How the device will connect: what `DeviceSettings` holds once the endpoint is known, with key and certificate.
struct Connection {
    settings: DeviceSettings,
    key: Selector,
    pair: KeyAndCertificate,
}

async fn go(
    args: &UpArgs,
    file: ConfigFile,
    connection: Connection,
    device: Device,
    mut progress: Progress,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let asked = async {
        let account = Account::connect(&args.aws).await?;
        let plan = account.provisioner.plan(Purpose::Register(Box::new(device.clone()))).await?;
        anyhow::Ok((account, plan))
    };
    let (account, plan) = progress.at(Stage::Account, asked.await)?;
    let config =
        progress.at(Stage::Configuration, configuration(args, &file, &connection, &device, &plan))?;
    let chip = Chip::of(&connection.key, &connection.pair);
    let mut report = Report::new(args.json, &account, &device, &config, out);
    report.begin(&chip)?;
    warn_of(&plan);
    let change = file.change_to(&config);
    if args.plan {
        report.plan(&plan, &file, change)?;
        return Ok(Exit::Good);
    }
    if let Some(whose) = file.is_of_another(&config).filter(|_| !args.yes) {
        say!("{} {whose}", file.path().display());
        if !agreed("Replace it?")? {
            return Ok(Exit::Declined);
        }
    }
    progress.at(Stage::Configuration, file.check_writable(change))?;

    let mut printed = Ok(());
    let applied = account.provisioner.apply(&plan, |event| {
        if let Event::Done(step) = event {
            if step.is_change() {
                progress.changed(step.to_string());
            }
            if printed.is_ok() {
                printed = report.step(step);
            }
        }
    });
    let applied: anyhow::Result<Applied> = applied.await.map_err(Into::into);
    let applied = progress.at(Stage::Registration, applied)?;
    printed.context("cannot print what was done; the device is registered")?;
    progress
        .done(format!("{} is registered in account {}, region {}", device.thing, account.id, account.region));
    progress.at(Stage::Configuration, file.write(&config, change))?;
    progress.done(format!("{} is written", file.path().display()));
    report.configuration(&file, change)?;

    let Connection { mut settings, pair, .. } = connection;
    settings.endpoint = Some(config.endpoint.clone());
    settings.client_id = Some(config.client_id.clone());
    settings.topic_prefix = Some(config.topic_prefix.clone());
    settings.port = config.port;
    let fresh = applied.steps.iter().any(aws_iot_provision::Step::is_change);
    let topic = format!("{}/{TOPIC}", config.topic_prefix);
    let sent = match settings.device(pair.key, pair.certificate) {
        Ok(ready) => first_message::send(&ready, &topic, fresh).await,
        Err(error) => Err(error),
    };
    let local = args.aws.is_local() && config.ca_file.is_none();
    let sent = if local {
        sent.context("a local AWS IoT Core needs --ca-file and --port, as it printed them")
    } else {
        sent
    };
    progress.at(Stage::Message { config: file.path() }, sent)?;
    report.end(&applied, &file, change, &topic)?;
    Ok(Exit::Good)
}

/// Reads key and certificate. The inner error: this certificate must not be registered.
fn read_chip(
    args: &UpArgs,
    file: &ConfigFile,
) -> anyhow::Result<Result<(Connection, Device), anyhow::Error>> {
    let mut options = args.device.options();
    let connection_settings = if file.own().is_some() {
        options.config = Some(file.path().to_owned());
        options.settings()?
    } else {
        options.settings_without_config()?
    };
    let key = match &connection_settings.key {
        Some(key) => key.clone(),
        None => FIRST_FACTORY_KEY.parse()?,
    };
    let pair = connection_settings.token.open(
        &key,
        connection_settings.certificate.as_ref(),
        connection_settings.certificate_file.as_deref(),
        NO_CERTIFICATE,
    )?;
    let certificate = DeviceCertificate::from_der(pair.certificate.as_der())?;
    let identity = Identity::Bare(Box::new(certificate.clone()));
    if let Err(error) = identity.check(&Requirements::default(), SystemTime::now()) {
        let refused =
            anyhow::Error::from(error).context(format!("the certificate of the key {key} is refused"));
        return Ok(Err(refused));
    }
    let mut device = Device::new(args.thing.clone(), certificate, settings(&args.settings)?);
    device.identity = "read from this device's chip".to_owned();
    device.key = Some(key_config(&connection_settings, &key, &pair)?);
    Ok(Ok((Connection { settings: connection_settings, key, pair }, device)))
}

/// What the device's programs have to be told to find key and certificate.
fn key_config(
    settings: &DeviceSettings,
    key: &Selector,
    pair: &KeyAndCertificate,
) -> anyhow::Result<KeyConfig> {
    let mut config = KeyConfig::from(key.as_str());
    config.certificate = settings.certificate.as_ref().map(|label| label.as_str().to_owned());
    config.certificate_file = settings.certificate_file.as_deref().map(absolute).transpose()?;
    if pair.token.module != Path::new(NXP_MODULE) {
        config.pkcs11_lib = Some(absolute(&pair.token.module)?);
    }
    config.token_label.clone_from(&settings.token.token_label);
    config.pin_file = settings.token.pin_file.as_deref().map(absolute).transpose()?;
    Ok(config)
}

/// The device configuration: what was said on the command line counts before what stands in the device's own file.
fn configuration(
    args: &UpArgs,
    file: &ConfigFile,
    connection: &Connection,
    device: &Device,
    plan: &Plan,
) -> anyhow::Result<DeviceConfig> {
    let settings = &connection.settings;
    let endpoint = args.endpoint().or_else(|| plan.endpoint.clone());
    let endpoint = endpoint.context("AWS IoT names no endpoint; give it with --endpoint HOST")?;
    let thing = device.thing.as_str();
    let key = device.key.clone().unwrap_or_else(|| connection.key.as_str().into());
    let mut config = match file.own() {
        Some(own) => own.clone(),
        None => DeviceConfig::new(&endpoint, thing, key.clone()),
    };
    (config.endpoint, config.key, config.port) = (endpoint, key, settings.port);
    config.client_id = settings.client_id.clone().unwrap_or_else(|| thing.to_owned());
    config.ca_file = settings.ca_file.as_deref().map(absolute).transpose()?;
    args.device.put_connection_into(&mut config);
    // Without --topic-prefix, the one of an earlier run is kept.
    if let Rights::Least(grants) = &device.settings.rights
        && grants.topic_prefix_of(thing) != thing
    {
        config.topic_prefix = grants.topic_prefix_of(thing);
    }
    Ok(config)
}
