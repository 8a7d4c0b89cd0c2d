package langchain_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/tmc/langchaingo/chains"

	"fairlead/orchestrator/langchain"
	"fairlead/providers"
	"fairlead/retrieval"
)

// A stock chain of langchaingo on a routed model and on a search of ours.
func ExampleModel() {
	model := &langchain.Model{
		// The engine gives a function that routes the call; this one answers by itself.
		Do: func(_ context.Context, req *providers.Request) (*providers.Answer, error) {
			prompt := req.Messages[len(req.Messages)-1].TextContent()
			if strings.Contains(prompt, "The key is under the mat.") && strings.Contains(prompt, "Where is the key?") {
				return &providers.Answer{Text: "Under the mat."}, nil
			}
			return &providers.Answer{Text: "I don't know."}, nil
		},
	}
	retriever := langchain.Retriever{Search: func(context.Context, string) ([]retrieval.Hit, error) {
		return []retrieval.Hit{{Passage: retrieval.Passage{Text: "The key is under the mat."}}}, nil
	}}
	answer, err := chains.Run(context.Background(), chains.NewRetrievalQAFromLLM(model, retriever), "Where is the key?")
	fmt.Println(answer, err)
	// Output: Under the mat. <nil>
}
