package mapping

import "maps"

// reasonClass says what a reason means for the order in Salesforce.
type reasonClass int

const (
	// done: the order is provisioned.
	done reasonClass = iota
	// waiting: the order goes on by itself once somebody has mended something.
	waiting
	// failed: the order stands still until somebody asks for another try.
	failed
	// quiet: nothing that staff could act on in Salesforce; nothing is written unless the mapping says so.
	quiet
)

// reasonDefault is what is written for a reason when the mapping does not say.
type reasonDefault struct {
	class    reasonClass
	code     string
	messages map[string]string
}

func (d reasonDefault) status() string {
	switch d.class {
	case done:
		return "Activated"
	case failed:
		return "Failed"
	case waiting, quiet:
	}
	return "" // a waiting order keeps its status: another one might close its own gate
}

// reasonDefaults has every reason an order can show. The sentences are for the staff who look after the order in
// Salesforce, not for engineers.
var reasonDefaults = map[string]reasonDefault{
	"Provisioned": {class: done},

	"PaymentMethodMissing": {waiting, "PAYMENT_METHOD_MISSING", map[string]string{
		"en": "The customer has no payment method in WHMCS. Ask the customer to add one; provisioning then goes on by itself.",
		"ja": "お客様の支払方法がWHMCSに登録されていません。登録をご依頼ください。登録後、処理は自動的に再開します。",
	}},
	"ProductUnmapped": {waiting, "PRODUCT_UNMAPPED", map[string]string{
		"en": "A product of this order is not set up for WHMCS. {detail}",
		"ja": "この注文の商品はWHMCS用に設定されていません。{detail}",
	}},
	"AccountUnmapped": {waiting, "ACCOUNT_UNMAPPED", map[string]string{
		"en": "The account is not linked to a WHMCS client. {detail}",
		"ja": "取引先がWHMCSの顧客に紐付けられていません。{detail}",
	}},
	"MappingInvalid": {waiting, "MAPPING_INVALID", map[string]string{
		"en": "The provisioning rules contain a mistake. The administrators of Orderbridge must correct them; provisioning then goes on by itself. {detail}",
		"ja": "プロビジョニングのルールに誤りがあります。Orderbridgeの管理者による修正後、処理は自動的に再開します。{detail}",
	}},
	"Scheduled": {waiting, "SCHEDULED", map[string]string{
		"en": "The order is scheduled and will be provisioned by itself. {detail}",
		"ja": "この注文は予約済みです。指定日時に自動的に処理されます。{detail}",
	}},

	"OrderRefused": {failed, "ORDER_REFUSED", map[string]string{
		"en": "WHMCS refused the order. Correct the cause, then approve the order again. {detail}",
		"ja": "WHMCSが注文を拒否しました。原因を修正し、注文を再度承認してください。{detail}",
	}},
	"OutcomeUnknown": {failed, "OUTCOME_UNKNOWN", map[string]string{
		"en": "It is not certain whether WHMCS has this order. Do not enter it by hand: the administrators of Orderbridge must check. {detail}",
		"ja": "WHMCSに注文が登録されたか確認できません。手動で登録せず、Orderbridgeの管理者に確認をご依頼ください。{detail}",
	}},
	"OrderCancelled": {failed, "ORDER_CANCELLED", map[string]string{
		"en": "The order was cancelled in WHMCS. Set it to Pending there and approve it again, or close it here. {detail}",
		"ja": "WHMCSで注文がキャンセルされました。WHMCSで保留に戻して再度承認するか、こちらで終了してください。{detail}",
	}},
	"OrderFraud": {failed, "ORDER_FRAUD", map[string]string{
		"en": "WHMCS marked the order as fraud. Review it there before anything else. {detail}",
		"ja": "WHMCSで注文が不正と判定されました。まずWHMCSで内容をご確認ください。{detail}",
	}},
	"ProvisioningFailed": {failed, "PROVISIONING_FAILED", map[string]string{
		"en": "WHMCS has the order but could not set up every service. Check the module queue in WHMCS, then ask for another try. {detail}",
		"ja": "WHMCSに注文はありますが、一部のサービスを設定できませんでした。モジュールキューを確認し、再試行してください。{detail}",
	}},
	"ServicesMismatch": {failed, "SERVICES_MISMATCH", map[string]string{
		"en": "The services in WHMCS are not those of this order. The administrators of Orderbridge must compare them. {detail}",
		"ja": "WHMCSのサービスがこの注文と一致しません。Orderbridgeの管理者に照合をご依頼ください。{detail}",
	}},
	"RetriesExhausted": {failed, "RETRIES_EXHAUSTED", map[string]string{
		"en": "Provisioning failed too often and was stopped. Approve the order again to start over. {detail}",
		"ja": "プロビジョニングが繰り返し失敗したため停止しました。注文を再度承認するとやり直します。{detail}",
	}},
	"WriteRejected": {failed, "WRITE_REJECTED", map[string]string{
		"en": "The order is provisioned, but Salesforce refused to store the result. {detail}",
		"ja": "プロビジョニングは完了しましたが、結果をSalesforceに保存できませんでした。{detail}",
	}},
	"ReadRejected": {failed, "READ_REJECTED", map[string]string{
		"en": "Salesforce does not let Orderbridge read the order. The administrators must correct field names or permissions. {detail}",
		"ja": "OrderbridgeがSalesforceの注文を読み取れません。管理者による項目名または権限の修正が必要です。{detail}",
	}},

	"GateClosed":            quietDefault("GATE_CLOSED", "The order is not released for provisioning. {detail}", "この注文はまだ処理対象ではありません。{detail}"),
	"OrderNotFound":         quietDefault("ORDER_NOT_FOUND", "The order cannot be found. {detail}", "注文が見つかりません。{detail}"),
	"OrderDeleted":          quietDefault("ORDER_DELETED", "The order was deleted. {detail}", "注文が削除されました。{detail}"),
	"MalformedEvent":        quietDefault("MALFORMED_EVENT", "The request names no order. {detail}", "リクエストに注文が指定されていません。{detail}"),
	"WhmcsUnavailable":      quietDefault("WHMCS_UNAVAILABLE", "WHMCS cannot be reached. Provisioning goes on by itself. {detail}", "WHMCSに接続できません。復旧後、処理は自動的に再開します。{detail}"),
	"ClientBusy":            quietDefault("CLIENT_BUSY", "Another order of this customer is in work. {detail}", "同じお客様の別の注文を処理中です。{detail}"),
	"Settling":              quietDefault("SETTLING", "Orderbridge is checking whether WHMCS has the order. {detail}", "WHMCSに注文が登録されたか確認中です。{detail}"),
	"ServicesPending":       quietDefault("SERVICES_PENDING", "WHMCS is setting the services up. {detail}", "WHMCSでサービスを設定中です。{detail}"),
	"SalesforceUnavailable": quietDefault("SALESFORCE_UNAVAILABLE", "Salesforce cannot be reached. {detail}", "Salesforceに接続できません。{detail}"),
	"RowLocked":             quietDefault("ROW_LOCKED", "The order is locked in Salesforce. {detail}", "注文がSalesforceでロックされています。{detail}"),
	"LimitExceeded":         quietDefault("LIMIT_EXCEEDED", "The API limit of Salesforce is used up. {detail}", "SalesforceのAPI制限に達しました。{detail}"),
	"PipelineNotReady":      quietDefault("PIPELINE_NOT_READY", "Orderbridge is not ready for this org. {detail}", "Orderbridgeの準備ができていません。{detail}"),
	"Suspended":             quietDefault("SUSPENDED", "Provisioning is suspended. {detail}", "プロビジョニングは停止中です。{detail}"),
}

func quietDefault(code, en, ja string) reasonDefault {
	return reasonDefault{quiet, code, map[string]string{"en": en, "ja": ja}}
}

// Reasons lists the reasons that the report section knows, sorted.
func Reasons() []string { return sortedKeys(maps.Keys(reasonDefaults)) }
