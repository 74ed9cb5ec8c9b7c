//! `se050-iot credentials`: temporary AWS credentials, for the AWS CLI and SDKs.

use std::fs::File;
use std::io::Write as _;

use anyhow::Context as _;
use aws_iot_device::CredentialProvider;
use clap::Args;

use crate::service::ServiceArgs;
use crate::terminal::Escaping;

const EXAMPLE: &str = "\
The AWS CLI and SDKs call it when ~/.aws/config has

  [profile device]
  credential_process = se050-iot credentials --config /etc/device.toml --role-alias uploads --credential-endpoint HOST

where HOST is what `aws iot describe-endpoint --endpoint-type iot:CredentialProvider` prints. Then a file of any size goes to S3, with no
key on the device: aws --profile device s3 cp log.gz s3://BUCKET/";

#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct CredentialsArgs {
    /// The role alias, which names the AWS role
    #[arg(long, value_name = "ALIAS")]
    role_alias: String,
    /// The endpoint of the credential provider, which is another than the data endpoint
    #[arg(long, visible_alias = "credentials-endpoint", value_name = "HOST")]
    credential_endpoint: String,
    /// The credential provider's port
    #[arg(long, visible_alias = "credentials-port", value_name = "PORT", default_value_t = 443)]
    credential_port: u16,
    #[command(flatten)]
    service: ServiceArgs,
}

pub(crate) fn run(args: &CredentialsArgs, out: &mut Escaping<File>) -> anyhow::Result<()> {
    let host = &args.credential_endpoint;
    let proxy = args.service.device.options().settings()?.proxy_to(host)?;
    let device = args.service.device.open()?;
    let thing = args.service.thing(&device);
    let provider = CredentialProvider::new(host, &args.role_alias, device.tls().clone())?;
    let mut provider = provider.port(args.credential_port).thing(&thing)?;
    if let Some(proxy) = proxy {
        provider = provider.proxy(proxy);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let credentials = runtime.block_on(provider.credentials())?;
    writeln!(out, "{}", credentials.to_process_json()).context("cannot write to standard output")
}
