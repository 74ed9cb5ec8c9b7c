//! What is said of the chip and of the connection.

use super::{Message, messages};

messages! {
    // The list.
    ALL_IS_WELL: "All is well.", "すべて正常です。";
    ONE_FAILED: "1 check failed.", "1 件の項目で問題が見つかりました。";
    SOME_FAILED: "{count} checks failed.", "{count} 件の項目で問題が見つかりました。";
    NEXT: "next: {what}", "対処: {what}";
    NOT_CHECKED: "not checked: {why}", "未確認: {why}";
    NOT_ASKED: "not asked: {why}", "対象外: {why}";
    RUN_AGAIN: "run this again", "もう一度実行してください";

    // The configuration.
    ENDPOINT: "{endpoint}", "{endpoint}";
    NO_ENDPOINT_ALONE: "no endpoint: the chip alone", "エンドポイントの指定がないため、チップのみを確認します";
    NO_ENDPOINT: "no endpoint is given", "エンドポイントが指定されていません";
    GIVE_ENDPOINT: "--config device.toml, or --endpoint HOST", "--config device.toml または --endpoint HOST を指定してください";
    CONFIGURATION_UNUSABLE: "{error}", "設定ファイルを読み込めません: {error}";
    CORRECT_CONFIGURATION: "correct the file, or name another: --config FILE",
        "ファイルを修正するか、別のファイルを --config FILE で指定してください";

    // The chip.
    MODULE_CONTRADICTION: "{error}", "モジュールの指定が矛盾しています: {error}";
    LEAVE_ONE_OUT: "leave one of the contradicting options out", "矛盾しているオプションのどちらかを外してください";
    MODULE_FILE: "{file} ({processor}{library})", "{file} ({processor}{library})";
    MODULE_FILE_UNUSABLE: "{file}: {reason}", "PKCS#11 モジュール {file} を使用できません: {reason}";
    INSTALL_MODULE:
        "install NXP's plug-and-trust package of this Linux distribution (apk add plug-and-trust), or name the module: \
         --pkcs11-lib FILE",
        "このコンテナの Linux ディストリビューション用の plug-and-trust パッケージをインストールするか (apk add plug-and-trust)、--pkcs11-lib FILE でモジュールを指定してください";
    PIN_UNREADABLE: "{error}", "PIN を読み込めません: {error}";
    CHECK_PIN_SOURCES: "check --pin-file and SE050_PIN", "--pin-file と環境変数 SE050_PIN を確認してください";
    MODULE: "{label} {version}, labels {order}", "{label} {version}、ラベルの表記: {order}";
    MODULE_NO_SE050: "token \"{label}\", which is no SE050", "トークン \"{label}\" (SE050 ではありません)";
    BUS_NONE: "the module uses no I2C bus of this machine", "モジュールはこの機器の I2C バスを使用していません";
    BUS: "{name}", "{name}";
    BUS_CLOSED: "cannot open {node}: {error}", "{node} を開けません: {error}";
    BUS_MISSING:
        "ls -l /dev/i2c-*; name the right bus in EX_SSS_BOOT_SSS_PORT (such as /dev/i2c-1:0x48); in a container, pass the node \
         on (podman run --device {node})",
        "ls -l /dev/i2c-* で確認し、正しいバスを EX_SSS_BOOT_SSS_PORT に指定してください (例: /dev/i2c-1:0x48)。コンテナの場合はデバイスノードを渡してください (podman run --device {node})";
    BUS_FORBIDDEN: "ls -l {node}; add the user to the node's group (often i2c), or run as root",
        "ls -l {node} で権限を確認し、ユーザーをノードのグループ (多くは i2c) に追加するか、root で実行してください";
    BUS_BROKEN: "ls -l {node}; dmesg | grep i2c", "ls -l {node} と dmesg | grep i2c で確認してください";
    HELD: "the chip is in use by {holder}{name} (lock file {lock})", "チップは {holder}{name} が使用中です (ロックファイル {lock})";
    HELD_BY_UNKNOWN: "stop the program that uses the chip, perhaps in another container; fuser -v {lock}",
        "チップを使用しているプログラムを終了してください。別のコンテナで動作している場合もあります: fuser -v {lock}";
    HELD_BY_PROCESS: "stop that program, or wait for its end: ps -p {pid}",
        "そのプログラムを終了するか、終了を待ってください: ps -p {pid}";
    BUS_SHARED: "the bus is open in {processes} too, which keeps no lock", "バスを {processes} も開いています (ロックを取得していません)";
    STOP_OTHER: "stop that program: two at a time disturb each other's session with the chip",
        "そのプログラムを終了してください。同時に使用すると、チップとのセッションが互いに妨げられます";
    BUS_FREE: "no other process uses it", "ほかのプロセスは使用していません";
    ANSWERS: "it answers", "応答があります";
    CHIP_ERROR: "{error}", "チップの処理に失敗しました: {error}";
    KEY: "{key}: {kind}", "秘密鍵 {key}: {kind}";
    CERTIFICATE: "{subject}, certificate id {id}", "証明書 {subject}、証明書 ID {id}";
    PAIR: "the certificate was issued for this key", "証明書と秘密鍵は対になっています";
    SIGNATURE: "made and verified ({scheme})", "署名の生成と検証に成功しました ({scheme})";
    KEY_AND_CERTIFICATE: "{key}, and its certificate", "秘密鍵 {key} とその証明書";
    CHECK_CHIP: "se050-iot doctor --chip", "se050-iot doctor --chip を実行してください";
    CHIP_NOT_OPEN: "the chip is not open", "チップを開けていないため";
    NO_CERTIFICATE: "there is no certificate", "証明書がないため";
    KEY_OR_CERTIFICATE_MISSING: "key or certificate is missing", "秘密鍵または証明書がないため";
    NO_KEY: "there is no key", "秘密鍵がないため";
    FILE_NOT_LOADED: "its file cannot be loaded", "ファイルを読み込めないため";
    MODULE_SILENT: "the module does not say where the chip is", "モジュールからチップの場所が分からないため";
    BUS_NOT_OPEN: "the bus cannot be opened", "バスを開けないため";
    ANOTHER_HAS_IT: "another process has it", "ほかのプロセスが使用しているため";

    // What to do about an error of the chip.
    DO_LOAD_MODULE: "install NXP's plug-and-trust package, or name the module: --pkcs11-lib FILE",
        "plug-and-trust パッケージをインストールするか、--pkcs11-lib FILE でモジュールを指定してください";
    DO_NAME_TOKEN: "name the token: --token-label LABEL", "--token-label LABEL でトークンを指定してください";
    DO_START_SERVER: "start the p11-kit server, and check P11_KIT_SERVER_ADDRESS",
        "p11-kit サーバーを起動し、P11_KIT_SERVER_ADDRESS を確認してください";
    DO_GIVE_PIN: "give the right PIN: --pin-file FILE, or SE050_PIN in the environment",
        "正しい PIN を --pin-file FILE または環境変数 SE050_PIN で指定してください";
    DO_LIST_OBJECTS: "se050-iot objects lists what the chip has; then name it: --key-label, --cert-label",
        "se050-iot objects でチップ内のオブジェクトを確認し、--key-label と --cert-label で指定してください";
    DO_NAME_BY_ID: "name the object by its id: --key-label 0xF0000110", "オブジェクトを ID で指定してください: --key-label 0xF0000110";
    DO_NAME_CERTIFICATE: "name the certificate: --cert FILE, or --cert-label LABEL",
        "--cert FILE または --cert-label LABEL で証明書を指定してください";
    DO_NAME_KEYS_CERTIFICATE: "name the certificate that was issued for this key: --cert FILE, or --cert-label LABEL",
        "この秘密鍵に対して発行された 証明書を --cert FILE または --cert-label LABEL で指定してください";
    DO_USE_ANOTHER_KEY: "use another key: se050-iot objects lists them", "別の鍵を使用してください。一覧は se050-iot objects で確認できます";
    DO_END_OTHER: "end the other program that uses the chip", "チップを使用しているほかのプログラムを終了してください";
    DO_CHECK_BUS: "check the I2C bus (cable, pull-ups, another user of the bus), then run this again",
        "I2C バス (配線、プルアップ、ほかの使用者) を確認してから、もう一度実行してください";
    DO_CHECK_MODE: "check its owner and mode: ls -l", "ls -l で所有者と権限を確認してください";
    DO_CHECK_POWER:
        "check the chip's power (its enable pin may keep it in deep power-down) and its bus: i2cdetect -y -r N shows 48 on \
         the bus /dev/i2c-N that has the chip; after a hang, switch the device off and on",
        "チップの電源 (Enable ピンにより Deep Power-down のままの場合があります) とバスを確認してください。チップのあるバス /dev/i2c-N では i2cdetect -y -r N に 48 と表示されます。応答しなくなった場合は、機器の電源を入れ直してください";

    // The clock.
    CLOCK: "it says {time}", "時計: {time}";
    CLOCK_TOO_EARLY: "it says {time}, but this program was built later", "時計は {time} ですが、このプログラムのビルドはそれより後です";
    CLOCK_TOO_LATE: "it says {time}, which is probably wrong", "時計は {time} ですが、おそらく誤りです";
    CLOCK_BEFORE_1970: "it says a time before 1970", "時計が 1970 年より前になっています";
    SET_CLOCK:
        "set the clock: date -u -s 'YYYY-MM-DD hh:mm:ss'; then let a time server keep it (rc-service chronyd start), and check \
         the battery of the real-time clock",
        "時計を合わせてください: date -u -s 'YYYY-MM-DD hh:mm:ss'。その後は時刻サーバーに同期させ (rc-service chronyd start)、RTC の電池も確認してください";
    VALID: "valid from {from} until {until}", "有効期間: {from} から {until} まで";
    NOT_YET_VALID: "the certificate is not valid before {from}", "証明書はまだ有効ではありません ({from} から有効)";
    EXPIRED: "the certificate expired at {until}", "証明書の有効期限が切れています ({until} まで)";
    CHECK_DATES: "check the clock (date -u); if it is right, the device needs another certificate",
        "時計を確認してください (date -u)。時計が正しければ、別の証明書が必要です";
    SERVER_TIME: "{time}, {seconds} s from this device's clock", "{time} (この機器の時計との差 {seconds} 秒)";
    SERVER_TIME_DIFFERS: "the server says {time}, and this device's clock is {seconds} s away from that",
        "サーバーの時刻は {time} で、この機器の時計は {seconds} 秒ずれています";
    SET_CLOCK_TO: "set the clock: date -u -s '{time}'; then let a time server keep it (rc-service chronyd start)",
        "時計を合わせてください: date -u -s '{time}'。その後は時刻サーバーに同期させてください (rc-service chronyd start)";
    SERVER_TELLS_NO_TIME: "the server's port {port} answers no HTTPS request with its time ({reason})",
        "サーバーのポート {port} から HTTPS で時刻を取得できません ({reason})";
    PROXY_IN_BETWEEN: "a proxy is in between", "プロキシを経由するため";

    // The way to the endpoint.
    PROXY_WRONG: "{error}", "プロキシの設定が正しくありません: {error}";
    CORRECT_PROXY: "correct the environment variable, or leave it out: HTTPS_PROXY=http://HOST:PORT",
        "環境変数を修正するか、削除してください: HTTPS_PROXY=http://HOST:PORT";
    PROXY_ADDRESS_WRONG: "the proxy's address is wrong", "プロキシのアドレスが正しくないため";
    PROXY_NONE: "none in the environment", "環境変数による指定はありません";
    PROXY_FINDS: "the proxy finds the endpoint", "プロキシがエンドポイントの名前を解決します";
    PROXY_WORKS: "it makes connections to the endpoint", "プロキシ経由でエンドポイントに接続できます";
    PROXY_RULES:
        "check HTTPS_PROXY and the proxy's rules: it has to open tunnels to the endpoint's port (often 443 only: --port 443)",
        "HTTPS_PROXY とプロキシの設定 を確認してください。エンドポイントのポートへのトンネルを許可する必要があります (443 のみ許可されていることが多い: --port 443)";
    NAME_UNKNOWN: "the name {endpoint} cannot be resolved: {reason}", "ホスト名 {endpoint} を解決できません: {reason}";
    CHECK_NAME:
        "nslookup {endpoint}; check the spelling against `aws iot describe-endpoint --endpoint-type iot:Data-ATS{options}`, and the DNS \
         server in /etc/resolv.conf",
        "nslookup {endpoint} を実行し、つづりを `aws iot describe-endpoint --endpoint-type iot:Data-ATS{options}` の結果と比べ、/etc/resolv.conf の DNS サーバーを確認してください";
    NO_ANSWER_WITHIN: "no answer within {seconds} s", "{seconds} 秒以内に応答がありません";
    NO_ADDRESS: "it has no address", "アドレスがありません";
    BY_FAMILY: "IPv4 {v4}; IPv6 {v6}", "IPv4 では {v4}、IPv6 では {v6}";
    SYSTEM_ERROR: "{error}", "{error}";
    ENDPOINT_HAS_NO_ADDRESS: "the endpoint has no address", "エンドポイントのアドレスが分からないため";
    PORT_SILENT: "no answer on port {port} ({answers}); probably a firewall drops the packets",
        "ポート {port} から応答がありません ({answers})。ファイアウォールがパケットを破棄している可能性があります";
    OPEN_FIREWALL:
        "open outgoing TCP 8883 or 443 in the firewall; --port 443 uses the other one; HTTPS_PROXY names a proxy",
        "ファイアウォールで外向きの TCP 8883 または 443 を許可してください。もう一方のポートは --port 443 で、プロキシは HTTPS_PROXY で指定できます";
    PORT_CLOSED: "port {port} is closed ({answers}): probably a wrong endpoint or port, or a firewall refuses",
        "ポート {port} に接続を拒否されました ({answers})。エンドポイントやポートの誤り、またはファイアウォールの可能性があります";
    CHECK_PORT: "check --endpoint and --port; --port 443 uses the port that most firewalls let through",
        "--endpoint と --port を確認してください。--port 443 は多くのファイアウォールで許可されています";
    PORT_UNREACHABLE: "no connection to port {port} ({answers})", "ポート {port} に接続できません ({answers})";
    CHECK_NETWORK: "check that the device's network is up, with a default route: ip addr; ip route",
        "ネットワークが有効で、デフォルトルートがあることを確認してください: ip addr; ip route";
    USE_OTHER_PORT: "{finding}: use this port, with --port {port}", "{finding}。--port {port} でこのポートを使用できます";
    OTHER_PORT_NOT_NEEDED: "nothing, as long as port {port} is reached", "ポート {port} に接続できている間は不要です";

    // TLS and CONNECT.
    NOT_REACHED: "the endpoint is not reached", "エンドポイントに接続できないため";
    CLOCK_IS_WRONG: "the clock is wrong, by which certificates are checked", "証明書の検証に使う時計が正しくないため";
    NO_IDENTITY: "the device has no usable key and certificate", "使用できる秘密鍵と証明書がないため";
    TLS_UNUSABLE: "{error}", "TLS を準備できません: {error}";
    NAME_CA_FILE: "name a file with CA certificates in PEM: --ca-file FILE", "PEM 形式の CA 証明書のファイルを --ca-file FILE で指定してください";
    NO_TLS: "TLS cannot be set up", "TLS を準備できないため";
    NO_CONNECTION: "there is no connection", "接続できないため";
    STEP_BEFORE_FAILED: "the step before failed", "前の段階で失敗したため";
    TLS_GOOD: "the server's certificate is signed by {issuer}", "サーバー証明書の発行者: {issuer}";
    CERTIFICATE_ACCEPTED: "accepted: {id}", "証明書が受け入れられました: {id}";
    CONNECT_ACCEPTED: "accepted as client id {client_id}", "クライアント ID {client_id} で接続できました";
    CONNECTION_FAILED: "{error}", "接続に失敗しました: {error}";
    CONNECTION_FAILED_ISSUER: "{error} (its certificate is signed by {issuer})", "接続に失敗しました: {error} (サーバー証明書の発行者: {issuer})";
    CHECK_CLOCK: "check the clock: date -u", "時計を確認してください: date -u";
    EXEMPT_ENDPOINT:
        "if a firewall decrypts TLS, exempt the endpoint from it; for a server of your own, name its CA: --ca-file FILE",
        "ファイアウォールが TLS を復号している場合は、エンドポイントを対象から除外してください。独自のサーバーの場合は、その CA を --ca-file FILE で指定してください";
    CHECK_REGISTRATION:
        "aws iot describe-certificate --certificate-id {id}{options} tells whether it is registered and ACTIVE in this account and \
         region; se050-iot provision registers it",
        "aws iot describe-certificate --certificate-id {id}{options} で、このアカウントとリージョンに登録され ACTIVE であることを確認してください。登録 (プロビジョニング) は se050-iot provision で行えます";
    CHECK_CONNECT_POLICY:
        "aws iot list-attached-policies --target CERTIFICATE_ARN{options}; the policy has to allow iot:Connect on client/{client_id} (--client-id)",
        "aws iot list-attached-policies --target CERTIFICATE_ARN{options} で確認してください。ポリシーで client/{client_id} に対する iot:Connect を許可する必要があります (--client-id)";
    CHECK_ENDPOINT: "check --endpoint and --port, and run this again", "--endpoint と --port を確認し、もう一度実行してください";

    // Messages.
    ALLOWED: "allowed: {topic}", "許可されています: {topic}";
    REFUSED: "{error}", "許可されませんでした: {error}";
    ALLOW: "allow {action} on {resource} in the policy of the certificate, or try a topic that is allowed: --topic TOPIC",
        "証明書のポリシーで {resource} に対する {action} を許可するか、許可されているトピックを --topic TOPIC で指定してください";
    CHECK_LIMITS: "run this again; if it stays, the connection or the account's limits are the likeliest reasons",
        "もう一度実行してください。解消しない場合は、回線またはアカウントの制限が原因と考えられます";
    CAME_BACK: "the message came back", "送信したメッセージを受信しました";
    SUBSCRIPTION_ENDED: "the subscription ended", "サブスクリプションが終了しました";
    NOT_BACK: "the message did not come back within {seconds} s: most likely the policy does not allow iot:Receive",
        "メッセージが {seconds} 秒以内に戻りません。ポリシーで iot:Receive が許可されていない可能性が高いです";
    NOTHING_TO_RECEIVE: "subscribe or publish failed", "サブスクライブまたはパブリッシュに失敗したため";
    ALONE: "nobody else connected as {client_id}, for {seconds} s", "{seconds} 秒間、{client_id} としてのほかの接続はありませんでした";
    TAKEN: "another client connected as {client_id}: {error}", "ほかのクライアントが {client_id} として接続しました: {error}";
    STOP_TWIN: "stop the other program that uses this client id, or give this device its own: --client-id",
        "このクライアント ID を使用しているほかのプログラムを終了するか、この機器専用の ID を --client-id で指定してください";
    NOT_LASTING: "the connection did not last: {error}", "接続が途中で切れました: {error}";
    CHECK_LINE: "run this again; if it stays, check the line", "もう一度実行してください。解消しない場合は回線を確認してください";
}
