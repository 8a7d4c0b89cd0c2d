package rpc

import (
	"net/http"

	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/server"
)

// scopes is what a caller needs for each procedure. One that is not here is not served: New fails.
//
// A chain that retrieves needs no more than Chat: what it looks for, and what it does with it, its author decided.
// To look for anything at all is Search.
var scopes = map[string]auth.Scopes{
	fairleadv1connect.ChatServiceChatProcedure:           auth.Chat,
	fairleadv1connect.RunServiceRunProcedure:             auth.Chat,
	fairleadv1connect.RunServiceListChainsProcedure:      auth.Chat,
	fairleadv1connect.RunServiceFeedbackProcedure:        auth.Chat,
	fairleadv1connect.RoutingServiceListTargetsProcedure: auth.Chat,
	fairleadv1connect.RoutingServiceExplainProcedure:     auth.Chat,
	fairleadv1connect.InferenceServiceClassifyProcedure:  auth.Chat,
	fairleadv1connect.InferenceServiceEmbedProcedure:     auth.Chat,
	fairleadv1connect.InferenceServicePredictProcedure:   auth.Chat,

	fairleadv1connect.RetrievalServiceSearchProcedure:          auth.Search,
	fairleadv1connect.RetrievalServiceListCollectionsProcedure: auth.Search,
	fairleadv1connect.RetrievalServiceGetDocumentProcedure:     auth.Search,
	fairleadv1connect.RetrievalServiceListDocumentsProcedure:   auth.Search,

	fairleadv1connect.RetrievalServiceIngestProcedure:            auth.Ingest,
	fairleadv1connect.RetrievalServiceCreateCollectionProcedure:  auth.Ingest,
	fairleadv1connect.RetrievalServiceDeleteCollectionProcedure:  auth.Ingest,
	fairleadv1connect.RetrievalServiceDeleteDocumentProcedure:    auth.Ingest,
	fairleadv1connect.RetrievalServiceReindexCollectionProcedure: auth.Ingest,

	fairleadv1connect.AdminServiceCreateKeyProcedure: auth.Admin,
	fairleadv1connect.AdminServiceListKeysProcedure:  auth.Admin,
	fairleadv1connect.AdminServiceRotateKeyProcedure: auth.Admin,
	fairleadv1connect.AdminServiceRevokeKeyProcedure: auth.Admin,
	fairleadv1connect.AdminServiceUsageProcedure:     auth.Admin,

	fairleadv1connect.AdminServiceExportOutcomesProcedure: auth.Admin,

	fairleadv1connect.ModelServiceListModelsProcedure:    auth.Admin,
	fairleadv1connect.ModelServiceWarmModelProcedure:     auth.Operator,
	fairleadv1connect.ModelServicePullModelProcedure:     auth.Operator,
	fairleadv1connect.ModelServiceRollbackModelProcedure: auth.Operator,
	fairleadv1connect.ModelServiceResumeModelProcedure:   auth.Operator,
	fairleadv1connect.ModelServiceListRollbacksProcedure: auth.Operator,

	fairleadv1connect.AdminServiceCreateTenantProcedure:  auth.Operator,
	fairleadv1connect.AdminServiceListTenantsProcedure:   auth.Operator,
	fairleadv1connect.AdminServiceDisableTenantProcedure: auth.Operator,
	fairleadv1connect.AdminServiceDeleteTenantProcedure:  auth.Operator,
}

// scoped lets callers with a scope through. It stands before anything of the request's body is read, so that who may
// not call costs nothing and learns nothing.
func scoped(need auth.Scopes, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := principal(r.Context())
		if err == nil {
			err = p.Require(need)
		}
		if err != nil {
			f := fault.From(err)
			server.SetOutcome(r.Context(), f.Code.String(), string(f.Reason))
			Refuse(w, r, f)
			return
		}
		next.ServeHTTP(w, r)
	})
}
