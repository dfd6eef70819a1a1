package dev.perseid.inference;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// An answer, read again by another server of the same model (teacher forcing): a completion with
/// prompt and answer as its prompt, `echo` and `logprobs`, which OpenAI's API has and servers like
/// vLLM too.
///
/// The server tells the likeliest tokens of each place and the one that is there. Whatever it does
/// not tell counts as impossible, so that a margin is never more than it is: an honest answer has
/// no margin, whichever tokens are left out. Where nucleus, `top_k`, `min_p`, penalties or biases
/// were asked for, that does not hold, and nothing is said.
public final class EchoReading {
  private static final ObjectMapper JSON = new ObjectMapper();

  /// The most that OpenAI's API tells.
  private static final int TOP = 5;

  private EchoReading() {}

  /// The request: it costs what a prompt of that length costs, and one token.
  ///
  /// @param model the name under which to ask
  public static byte[] body(String model, Transcript transcript) {
    ObjectNode body = JSON.createObjectNode().put("model", model);
    ArrayNode prompt = body.putArray("prompt");
    Arrays.stream(transcript.prompt()).forEach(prompt::add);
    Arrays.stream(transcript.output()).forEach(prompt::add);
    body.put("max_tokens", 1).put("temperature", 0).put("echo", true).put("logprobs", TOP);
    return body.toString().getBytes(UTF_8);
  }

  /// What the reading found; empty if it is none, or says nothing about such a request.
  ///
  /// @param answer the whole answer to [#body], not in chunks
  public static Optional<Evidence> evidence(
      Transcript transcript, byte[] answer, GgufTokens tokens) {
    SamplingParams params = transcript.sampling().params();
    if (!params.equals(SamplingParams.at(params.temperature()))
        || (!(transcript.sampling().draw() instanceof Draw.Shared) && params.temperature() > 0)) {
      return Optional.empty();
    }
    JsonNode odds;
    try {
      JsonNode root = JSON.readTree(answer);
      odds = root == null ? JSON.nullNode() : root.path("choices").path(0).path("logprobs");
    } catch (IOException e) {
      return Optional.empty();
    }
    Tokenizer tokenizer = tokens.tokenizer();
    int[] output = transcript.output();
    int from = transcript.prompt().length;
    JsonNode said = odds.path("tokens");
    if (from == 0 || output.length == 0 || said.size() < from + output.length) {
      return Optional.empty();
    }
    for (int i = 0; i < output.length; i++) {
      boolean same =
          output[i] >= 0
              && output[i] < tokenizer.size()
              && said.path(from + i).asText().equals(tokenizer.shown(output[i]))
              && odds.path("token_logprobs").path(from + i).isNumber();
      if (!same) {
        return Optional.empty();
      }
    }
    // What it states of probabilities cannot be compared with a part of them.
    Transcript bare =
        new Transcript(
            transcript.requestId(),
            transcript.prompt(),
            output,
            transcript.sampling(),
            transcript.bounds(),
            transcript.said(),
            new float[0]);
    // Claims are no matter of the reader's word.
    return Optional.of(
        Audit.check(
            bare, new Sparse(odds, numbers(tokenizer), tokenizer.size()), new Evidence.Found()));
  }

  /// The tokens by what they are shown as, but for those that are shown alike.
  private static Map<String, Integer> numbers(Tokenizer tokenizer) {
    Map<String, Integer> numbers = new HashMap<>();
    for (int token = 0; token < tokenizer.size(); token++) {
      numbers.merge(tokenizer.shown(token), token, (_, _) -> -1);
    }
    return numbers;
  }

  /// Logits of which most are left out.
  private record Sparse(JsonNode odds, Map<String, Integer> numbers, int vocabulary)
      implements Logits {
    @Override
    public void read(int[] prompt, int[] continuation, Row row) {
      for (int i = 0; i < continuation.length; i++) {
        float[] logits = new float[vocabulary];
        Arrays.fill(logits, Float.NEGATIVE_INFINITY);
        for (Map.Entry<String, JsonNode> top :
            odds.path("top_logprobs").path(prompt.length + i).properties()) {
          int token = numbers.getOrDefault(top.getKey(), -1);
          if (token >= 0 && top.getValue().isNumber()) {
            logits[token] = top.getValue().floatValue();
          }
        }
        logits[continuation[i]] = odds.path("token_logprobs").path(prompt.length + i).floatValue();
        row.at(i, logits);
      }
    }
  }
}
