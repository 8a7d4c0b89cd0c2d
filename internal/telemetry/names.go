package telemetry

import "go.opentelemetry.io/otel/attribute"

// Attributes of the semantic conventions for generative AI, as of November 2026
// (open-telemetry/semantic-conventions-genai, status: development).
const (
	keyOperation     = attribute.Key("gen_ai.operation.name")
	keyProvider      = attribute.Key("gen_ai.provider.name")
	keyRequestModel  = attribute.Key("gen_ai.request.model")
	keyResponseModel = attribute.Key("gen_ai.response.model")
	keyFinishReasons = attribute.Key("gen_ai.response.finish_reasons")
	keyFirstChunk    = attribute.Key("gen_ai.response.time_to_first_chunk") // seconds
	keyInput         = attribute.Key("gen_ai.usage.input_tokens")
	keyOutput        = attribute.Key("gen_ai.usage.output_tokens")
	keyCachedInput   = attribute.Key("gen_ai.usage.cache_read.input_tokens")
	keyReasoning     = attribute.Key("gen_ai.usage.reasoning.output_tokens")
	keyErrorType     = attribute.Key("error.type")
	keyStatusCode    = attribute.Key("http.response.status_code")
	keyMethod        = attribute.Key("http.request.method")
	keyRoute         = attribute.Key("http.route")
)

// Values of gen_ai.operation.name.
const (
	operationWorkflow   = "invoke_workflow"
	operationChat       = "chat"
	operationEmbeddings = "embeddings"
	operationRetrieval  = "retrieval"
	operationClassify   = "classify" // the conventions have no name for it
)

// Our own attributes.
const (
	keyRun            = attribute.Key("fairlead.run.id")
	keyTenant         = attribute.Key("fairlead.tenant")
	keyChain          = attribute.Key("fairlead.chain.name")
	keyChainVersion   = attribute.Key("fairlead.chain.version")
	keyLabel          = attribute.Key("fairlead.label")
	keyClearance      = attribute.Key("fairlead.clearance")
	keyStep           = attribute.Key("fairlead.step.path")
	keyStepKind       = attribute.Key("fairlead.step.kind")
	keyStepStatus     = attribute.Key("fairlead.step.status")
	keyTarget         = attribute.Key("fairlead.target")
	keyTargetVersion  = attribute.Key("fairlead.target.version")
	keyBackend        = attribute.Key("fairlead.backend")
	keyAttempt        = attribute.Key("fairlead.attempt")
	keyPolicy         = attribute.Key("fairlead.policy")
	keyRank           = attribute.Key("fairlead.route.rank")
	keyOrder          = attribute.Key("fairlead.route.order")
	keyOut            = attribute.Key("fairlead.route.out") // "TARGET: REASON"
	keyPromptTokens   = attribute.Key("fairlead.route.prompt_tokens")
	keyCost           = attribute.Key("fairlead.cost.usd")
	keyCostIncomplete = attribute.Key("fairlead.cost.incomplete")
	keyEstimated      = attribute.Key("fairlead.usage.estimated")
	keyBudget         = attribute.Key("fairlead.budget.usd")
	keyFinish         = attribute.Key("fairlead.finish_reason")
)

// Events on spans.
const (
	eventRoute     = "fairlead.route_decided"
	eventRetracted = "fairlead.retracted"
)
