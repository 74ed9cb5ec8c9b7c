//! What is said of the account.

use super::{Message, messages};

messages! {
    ACCOUNT: "{account}, region {region}", "アカウント {account}、リージョン {region}";
    ACCOUNT_UNUSABLE: "{error}", "AWS アカウントを確認できません: {error}";
    CHECK_CREDENTIALS:
        "aws sts get-caller-identity with the same profile; --profile, --region and --account say which account is meant",
        "同じプロファイルで aws sts get-caller-identity を実行してください。対象のアカウントは --profile、--region、--account で指定します";
    NO_CREDENTIALS:
        "no AWS credentials are configured here; with an operator's credentials, registration and policies are checked too (--operator)",
        "AWS の認証情報が設定されていないため。運用担当者の認証情報があれば、登録状態とポリシーも確認できます (--operator)";
    CREDENTIALS_UNUSABLE: "{error}", "AWS アカウントを確認できないため: {error}";
    ACCOUNT_NOT_KNOWN: "the account is not known", "アカウントを確認できないため";
    NO_CERTIFICATE_TO_ASK_ABOUT: "there is no certificate to ask about; --cert FILE names one",
        "対象の証明書がないため (--cert FILE で指定できます)";
    CALL_FAILED: "{error}", "AWS への問い合わせに失敗しました: {error}";
    GRANT_OPERATOR: "if a permission is missing: se050-iot policy operator prints what the operator needs",
        "権限が不足している場合は、必要な権限を se050-iot policy operator で確認してください";

    REGISTERED: "ACTIVE: {id}", "ACTIVE です: {id}";
    NOT_REGISTERED: "certificate {id} is not registered in account {account}, region {region}, whose endpoint is {endpoint}",
        "証明書 {id} はアカウント {account}、リージョン {region} に登録されていません (このアカウントのエンドポイント: {endpoint})";
    REGISTER:
        "compare that endpoint with the device's: another one means another account or region; to register the device here: \
         se050-iot provision",
        "このエンドポイントを機器の設定と比べてください。異なる場合は別のアカウントまたはリージョンです。ここに登録 (プロビジョニング) するには se050-iot provision を実行してください";
    INACTIVE: "certificate {id} is INACTIVE, so the device is kept out", "証明書 {id} は INACTIVE のため、機器は接続できません";
    ACTIVATE: "se050-iot activate --certificate-id {id}{options}", "se050-iot activate --certificate-id {id}{options} で有効にしてください";
    OTHER_STATUS: "certificate {id} is {status}, so the device is kept out", "証明書 {id} は {status} のため、機器は接続できません";
    REPLACE_CERTIFICATE: "AWS does not change this back; the device needs another certificate, or another key of the chip",
        "この状態は元に戻せません。別の証明書またはチップ内の別の鍵が必要です";
    NOT_REGISTERED_HERE: "the certificate is not registered here", "証明書が登録されていないため";

    ON_THING: "the certificate is on {things}", "証明書はモノ (thing) {things} にアタッチされています";
    ON_NO_THING: "the certificate is on no thing, so policy variables such as iot:Connection.Thing.ThingName have no value",
        "証明書がどのモノ (thing) にもアタッチされていないため、iot:Connection.Thing.ThingName などのポリシー変数に値がありません";
    ATTACH_THING: "aws iot attach-thing-principal --thing-name {client_id} --principal {arn}{options}",
        "aws iot attach-thing-principal --thing-name {client_id} --principal {arn}{options} を実行してください";
    OTHER_THING: "the certificate is on {things}, and none of them is named like the client id {client_id}",
        "証明書は {things} にアタッチされていますが、クライアント ID {client_id} と同じ名前のモノ (thing) がありません";
    USE_THING_NAME:
        "connect under the thing's name (--client-id), or attach the certificate exclusively (se050-iot provision): otherwise the \
         policy's thing variables have no value",
        "モノ (thing) の名前で接続するか (--client-id)、証明書を排他的にアタッチしてください (se050-iot provision)。そうでない場合、ポリシーのモノの変数に値がありません";

    POLICIES: "{policies}", "ポリシー: {policies}";
    NO_POLICY: "no policy is on the certificate, nor on a group of its thing: nothing is allowed",
        "証明書にも、モノ (thing) のグループにもポリシーがアタッチされていないため、何も許可されません";
    ATTACH_POLICY: "aws iot attach-policy --policy-name POLICY --target {arn}{options}",
        "aws iot attach-policy --policy-name POLICY --target {arn}{options} を実行してください";

    AUTHORIZED: "{action} on {resource}", "{resource} に対する {action} は許可されています";
    NOT_AUTHORIZED: "no policy allows {action} on {resource}", "{resource} に対する {action} を許可するポリシーがありません";
    DENIED: "a policy denies {action} on {resource}", "{resource} に対する {action} がポリシーで拒否されています";
    ALLOW: "allow {action} on {resource}: se050-iot policy apply changes a policy and shows before what that means",
        "{resource} に対する {action} を許可してください。ポリシーは se050-iot policy apply で、差分を確認してから変更できます";
    REMOVE_DENIAL: "take the Deny for {action} on {resource} out of the policy, or use another topic: --topic TOPIC",
        "ポリシーから {resource} に対する {action} の Deny を削除するか、別のトピックを --topic TOPIC で指定してください";

    CONNECTED_NOW: "connected now as {client_id}", "{client_id} として接続中です";
    DISCONNECTED: "not connected as {client_id} now; the last connection ended with {reason}",
        "現在 {client_id} としては接続していません。直前の切断理由: {reason}";
    CONNECTION_UNKNOWN: "AWS knows of no connection of {client_id} in the last 30 minutes",
        "過去 30 分間に {client_id} としての接続はありません";
    REASON_UNKNOWN: "no reason that AWS tells", "不明";
    REASON_DUPLICATE: "another client connected with the same id: find it, or give this device its own id (--client-id)",
        "ほかのクライアントが同じ ID で接続しています。そのクライアントを探すか、この機器専用の ID を指定してください (--client-id)";
    REASON_FORBIDDEN: "the policy did not allow what the device asked for: compare its topics with the policy",
        "機器の要求がポリシーで許可されていません。トピックとポリシーを比べてください";
    REASON_LINE: "the line broke, or the device was silent for too long: check the network, and the device's power",
        "回線が切れたか、機器の応答が途絶えました。ネットワークと機器の電源を確認してください";
    REASON_THROTTLED: "the device sent more than AWS IoT Core takes of one connection: send less at a time",
        "1 接続あたりの上限を超えて送信しています。送信量を減らしてください";
    REASON_CLIENT: "the device's program broke a rule of MQTT or a limit: see its log",
        "機器のプログラムが MQTT の規則または制限に違反しました。ログを確認してください";
}
