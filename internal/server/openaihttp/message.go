package openaihttp

import (
	"encoding/base64"
	"net/url"
	"strings"

	"fairlead/providers"
)

// messages reads the conversation.
func (r *chatReader) messages() []providers.Message {
	var messages []providers.Message
	r.list(func(i int) {
		if i >= maxMessages {
			r.fail("expected %d messages at most", maxMessages)
			return
		}
		messages = append(messages, r.message())
	})
	return messages
}

// message reads one turn. Fields may come in any order, so what depends on the role is checked at its end.
func (r *chatReader) message() providers.Message {
	var (
		m              providers.Message
		role, refusal  string
		hasContent     bool
		legacy, spoken bool
	)
	r.object(func(name string) {
		if r.null() {
			return // a missing content is told below, where the role is known
		}
		switch name {
		case "role":
			role = r.text()
		case "content":
			hasContent = true
			m.Parts = r.content()
		case "name":
			m.Name = r.text()
		case "tool_calls":
			m.ToolCalls = r.toolCalls()
		case "tool_call_id":
			m.ToolCallID = r.text()
		case "refusal":
			refusal = r.text()
		case "function_call":
			legacy = true
		case "audio":
			spoken = true
		}
	})
	if r.err != nil {
		return m
	}
	switch role {
	case "system", "developer":
		m.Role = providers.System
	case "user":
		m.Role = providers.User
	case "assistant":
		m.Role = providers.Assistant
	case "tool":
		m.Role = providers.ToolRole
	case "function":
		r.failAt("role", "the old functions are not supported: use tools")
	case "":
		r.failAt("role", "required")
	default:
		r.failAt("role", "expected system, developer, user, assistant or tool")
	}
	if !hasContent && refusal != "" && m.Role == providers.Assistant {
		hasContent, m.Parts = true, []providers.Part{{Text: refusal}}
	}
	switch {
	case legacy:
		r.failAt("function_call", "the old functions are not supported: use tool_calls")
	case spoken:
		r.failAt("audio", "audio is not supported")
	case !hasContent && (m.Role != providers.Assistant || len(m.ToolCalls) == 0):
		r.failAt("content", "required")
	case len(m.ToolCalls) > 0 && m.Role != providers.Assistant:
		r.failAt("tool_calls", "only in a message of an assistant")
	case m.Role == providers.ToolRole && m.ToolCallID == "":
		r.failAt("tool_call_id", "required in a message of a tool")
	case m.Role != providers.User && m.HasImage():
		r.failAt("content", "pictures are only taken in a message of a user")
	}
	return m
}

// content reads a string or a list of parts.
func (r *chatReader) content() []providers.Part {
	switch c := r.peek(); c {
	case '"':
		return []providers.Part{{Text: r.text()}}
	case '[':
	default:
		r.wrongType(c, "a string or a list of parts")
		return nil
	}
	var parts []providers.Part
	r.list(func(int) { parts = append(parts, r.part()) })
	if len(parts) == 0 {
		r.fail("expected one part at least")
	}
	return parts
}

// part reads one part of a message.
func (r *chatReader) part() providers.Part {
	var (
		kind, text, refusal string
		hasText             bool
		image               *providers.Image
	)
	r.object(func(name string) {
		switch name {
		case "type":
			kind = r.text()
		case "text":
			hasText = true
			text = r.text()
		case "refusal":
			refusal = r.text()
		case "image_url":
			image = r.image()
		}
	})
	if r.err != nil {
		return providers.Part{}
	}
	switch kind {
	case "text":
		if !hasText {
			r.failAt("text", "required")
		}
		return providers.Part{Text: text}
	case "refusal":
		return providers.Part{Text: refusal}
	case "image_url":
		if image == nil {
			r.failAt("image_url", "required")
		}
		return providers.Part{Image: image}
	case "input_audio", "file", "video_url", "audio_url":
		r.refuse("parts of this type are not supported: send text, or a picture as image_url")
	case "":
		r.failAt("type", "required")
	default:
		r.failAt("type", "expected text or image_url")
	}
	return providers.Part{}
}

// image reads {"url", "detail"}.
func (r *chatReader) image() *providers.Image {
	var img providers.Image
	r.object(func(name string) {
		if r.null() {
			return
		}
		switch name {
		case "url":
			r.imageURL(r.text(), &img)
		case "detail":
			switch img.Detail = r.text(); img.Detail {
			case "auto", "low", "high":
			default:
				r.fail("expected auto, low or high")
			}
		}
	})
	if r.err == nil && img.URL == "" && img.Data == nil {
		r.failAt("url", "required")
	}
	return &img
}

// imageURL takes an http(s) address as it is, and the bytes out of a data: URL. Nothing is fetched.
func (r *chatReader) imageURL(s string, img *providers.Image) {
	const most = 8 << 10
	rest, isData := cutScheme(s, "data:")
	if !isData {
		u, err := url.Parse(s)
		if err != nil || len(s) > most || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			r.fail("expected an http, https or data: URL")
			return
		}
		img.URL = s
		return
	}
	meta, data, ok := strings.Cut(rest, ",")
	mediaType, isBase64 := strings.CutSuffix(meta, ";base64")
	mediaType, _, _ = strings.Cut(mediaType, ";")
	mediaType = strings.ToLower(mediaType)
	if !ok || !isBase64 || !strings.HasPrefix(mediaType, "image/") {
		r.fail("expected data:image/TYPE;base64,…")
		return
	}
	decoded, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		decoded, err = base64.RawStdEncoding.DecodeString(data) // some clients leave the padding out
	}
	if err != nil || len(decoded) == 0 {
		r.fail("the data is not base64")
		return
	}
	img.Data, img.MediaType = decoded, mediaType
}

// cutScheme cuts a scheme, in any case, off the front.
func cutScheme(s, scheme string) (string, bool) {
	if len(s) < len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme) {
		return s, false
	}
	return s[len(scheme):], true
}

// toolCalls reads what an assistant asked for in an earlier turn.
func (r *chatReader) toolCalls() []providers.ToolCall {
	var calls []providers.ToolCall
	r.list(func(i int) {
		if i >= maxTools {
			r.fail("expected %d calls at most", maxTools)
			return
		}
		var call providers.ToolCall
		kind := "function"
		r.object(func(name string) {
			switch name {
			case "id":
				call.ID = r.text()
			case "type":
				kind = r.text()
			case "function":
				r.object(func(name string) {
					switch name {
					case "name":
						call.Name = r.text()
					case "arguments":
						call.Arguments = r.text()
					}
				})
			}
		})
		switch {
		case r.err != nil:
		case kind != "function":
			r.refuse("only calls of functions are supported")
		case call.ID == "":
			r.failAt("id", "required")
		case call.Name == "":
			r.failAt("function.name", "required")
		}
		calls = append(calls, call)
	})
	return calls
}
