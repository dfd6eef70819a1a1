package dev.perseid.inference;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/// Which fields of a request say how it shall be answered, and who honours which. Backends pass
/// over fields that they do not know, as OpenAI's clients expect; who must have them honoured says
/// so (`provider.require_parameters`, OpenRouter's name).
public final class Parameters {
  /// The question itself, how the answer travels, and names for people: nobody can fail to honour
  /// them.
  private static final Set<String> NOT_PARAMETERS =
      Set.of(
          "model",
          "messages",
          "prompt",
          "input",
          "inputs",
          "outputs",
          "id",
          "encoding_format",
          "stream",
          "stream_options",
          "user",
          "metadata",
          "store",
          "service_tier",
          "safety_identifier",
          "prompt_cache_key");

  /// What [ChatCall] reads.
  static final NavigableSet<String> OF_OWN_ENGINE =
      sorted(
          "echo",
          "frequency_penalty",
          "logit_bias",
          "logprobs",
          "max_completion_tokens",
          "max_tokens",
          "min_p",
          "n",
          "presence_penalty",
          "repetition_penalty",
          "response_format",
          "return_token_ids",
          "seed",
          "stop",
          "temperature",
          "tool_choice",
          "tools",
          "top_k",
          "top_logprobs",
          "top_p");

  /// What changed the answers of llama-server as it has to (`docs/serving.md`). It calls `tools`,
  /// but `tool_choice` neither made it call one nor kept it from it.
  static final NavigableSet<String> OF_LLAMA_SERVER =
      sorted(
          "frequency_penalty",
          "logit_bias",
          "logprobs",
          "max_completion_tokens",
          "max_tokens",
          "min_p",
          "n",
          "presence_penalty",
          "response_format",
          "seed",
          "stop",
          "temperature",
          "tools",
          "top_k",
          "top_logprobs",
          "top_p");

  /// What an ONNX model honours: of embeddings their length; the tensors of a prediction are no
  /// parameters.
  static final NavigableSet<String> OF_EMBEDDINGS = sorted("dimensions");

  private Parameters() {}

  private static NavigableSet<String> sorted(String... names) {
    return Collections.unmodifiableNavigableSet(new TreeSet<>(List.of(names)));
  }

  /// The parameters that a request names: its fields, without those that every backend takes, and
  /// without those that say nothing (null, an empty list, an empty object).
  ///
  /// @param body a JSON object
  /// @throws IOException if it is none
  public static NavigableSet<String> named(byte[] body) throws IOException {
    JsonNode root = JsonBytes.MAPPER.readTree(body);
    if (root == null || !root.isObject()) {
      throw new IOException("the body is no JSON object");
    }
    NavigableSet<String> named = new TreeSet<>();
    for (Map.Entry<String, JsonNode> field : root.properties()) {
      JsonNode value = field.getValue();
      boolean says = !value.isNull() && !(value.isContainerNode() && value.isEmpty());
      if (says && !NOT_PARAMETERS.contains(field.getKey())) {
        named.add(field.getKey());
      }
    }
    return named;
  }

  /// What a server next door is known to honour, from its list of models (`GET /v1/models`); empty
  /// if it does not say what it is, or nothing is known of its kind.
  static Optional<NavigableSet<String>> ofServer(byte[] models) {
    JsonNode root;
    try {
      root = JsonBytes.MAPPER.readTree(models);
    } catch (IOException e) {
      return Optional.empty();
    }
    if (root != null) {
      for (JsonNode model : root.path("data")) {
        if (model.path("owned_by").asText().equals("llamacpp")) {
          return Optional.of(OF_LLAMA_SERVER);
        }
      }
    }
    return Optional.empty();
  }
}
