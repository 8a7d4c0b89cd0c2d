package router

import (
	"crypto/sha256"
	"encoding/hex"
)

// contaminated are the SHA-256 of the GSM8K prompts that RouteLLM leaves out of its evaluation, because its training data
// has them too (lm-sys/RouteLLM 2c3f047, routellm/evals/gsm8k/contaminated_prompts.jsonl).
var contaminated = map[string]bool{
	"13d10b8bfcf30de566fc28f6fc1cc547a3241103c9d9304facc1e4b22c4c58a9": true,
	"213b455e43607094e6ea5fd1da8f3f35ad606004febda7c903b665296c9d555a": true,
	"2b2e3f9639f6fa282a0b0c1d622e0c75cc03797b43268945f32b134da4fee344": true,
	"3024e362696acd66ffcf22b5c755cfb4d54fe9232ed429aadb767ded1b175bd6": true,
	"46ce7073561764ace4b5738771fa594bc93ee562c5ac3f922ce4538d4715ca8f": true,
	"72c96b49dcfbd41cce4fcab16030d29a6ee849a89137d6a5a200b6767cd98320": true,
	"851e6439f44e55eecd8d0ae494751c927b1fe964507c75e5709fd09fb2dab402": true,
	"bc996f49c8d114e01fd98c01e0f635f2a30d4f957ef966f2f83e349cdd334ad3": true,
	"d3c6224db7dd6691e29bc2962559f2e3a24bdfacba0eb526357d59462b7ea046": true,
	"de563650cee0d9af13492eae156046720df4ca9c1f177f29d4ea25b2c9d82c83": true,
	"df3944682f8208a1773a05dcffe0b016195e7a0252ea2b44bb1d6d0b0c34cd6f": true,
	"f1508e1a919ad33cd64998f854cbb2b614a76adffa54752aa33c1f3f713a5c72": true,
}

// Contaminated says whether a prompt is one that published results leave out, and so should ours.
func Contaminated(prompt string) bool {
	sum := sha256.Sum256([]byte(prompt))
	return contaminated[hex.EncodeToString(sum[:])]
}
