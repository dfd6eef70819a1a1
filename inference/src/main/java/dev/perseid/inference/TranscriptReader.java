package dev.perseid.inference;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/// Makes transcripts of requests and answers as they passed by. Belongs to one model. Safe for any
/// thread.
public final class TranscriptReader {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final GgufTokens tokens;
  private final int contextTokens;
  private final boolean ours;
  private final Set<Integer> ends = new HashSet<>();
  private final Map<String, Integer> known = new HashMap<>();

  /// @param tokens the model's
  /// @param contextTokens tokens of prompt and answer together that the offer promises
  /// @param ours whether the provider's backend draws tokens by the project's rule ([Sampler])
  public TranscriptReader(GgufTokens tokens, int contextTokens, boolean ours) {
    this.tokens = tokens;
    this.ours = ours;
    this.contextTokens = contextTokens;
    for (int token = tokens.tokenizer().size() - 1; token >= 0; token--) {
      if (tokens.tokenizer().ends(token)) {
        ends.add(token);
      }
      known.put(key(tokens.tokenizer().shown(token), tokens.tokenizer().bytes(token)), token);
    }
  }

  /// Reads a chat request and its answer.
  ///
  /// The tokens are taken from `token_ids`, if the answer has them, or from `logprobs`, whose
  /// entries have the text and the bytes of each; where there are none, the text is split by the
  /// tokenizer, which is not always how the model wrote it.
  ///
  /// @param id of the request
  /// @param body of the request
  /// @param answer the whole answer, not in chunks
  /// @param claim what the provider says that it used
  /// @return empty where tokens cannot be checked one by one: several choices, tools, a prescribed
  ///   format, or what is no chat at all
  public Optional<Transcript> read(String id, byte[] body, byte[] answer, Claim claim) {
    ChatCall call;
    JsonNode root;
    List<int[]> prompts;
    try {
      call = ChatCall.of(Api.CHAT, body);
      prompts = tokens.prompts(call);
      root = JSON.readTree(answer);
    } catch (InvalidCall | IOException e) {
      return Optional.empty();
    }
    JsonNode choices = root == null ? JSON.nullNode() : root.path("choices");
    JsonNode choice = choices.path(0);
    JsonNode text = choice.path("message").path("content");
    if (choices.size() != 1
        || !text.isTextual()
        || !call.tools().isEmpty()
        || call.grammar().isPresent()) {
      return Optional.empty();
    }
    JsonNode stated = choice.path("logprobs").path("content");
    JsonNode ids = choice.path("token_ids");
    int[] said =
        !ids.isEmpty()
            ? named(ids, text.textValue(), call.stops().isEmpty())
            : stated.isArray() && !stated.isEmpty()
                ? tokens(stated)
                : tokens.encode(text.textValue());
    boolean stopped = choice.path("finish_reason").asText().equals("stop");
    int end = tokens.tokenizer().end();
    boolean ended = stopped && call.stops().isEmpty() && end >= 0;
    int[] output = Arrays.copyOf(said, said.length + (ended ? 1 : 0));
    if (ended) {
      output[said.length] = end;
    }
    float[] logprobs = new float[stated.isArray() ? said.length : 0];
    for (int i = 0; i < logprobs.length; i++) {
      logprobs[i] = (float) stated.path(i).path("logprob").asDouble(Double.NaN);
    }
    JsonNode own = root.path("perseid_seed");
    OptionalLong seed =
        call.seed().isPresent()
            ? OptionalLong.of(call.seed().get())
            : own.isIntegralNumber() ? OptionalLong.of(own.longValue()) : OptionalLong.empty();
    Draw draw =
        seed.isEmpty()
            ? new Draw.Own()
            : ours ? new Draw.Shared(seed.getAsLong()) : new Draw.Foreign(seed.getAsLong());
    int room = contextTokens - prompts.getFirst().length;
    return Optional.of(
        new Transcript(
            id,
            prompts.getFirst(),
            output,
            new Transcript.Sampling(call.sampling(), draw),
            new Transcript.Bounds(
                call.maxTokens() == 0 ? room : Math.min(room, call.maxTokens()),
                contextTokens,
                !call.stops().isEmpty(),
                ends),
            new Transcript.Said(stopped ? Transcript.Finish.STOP : Transcript.Finish.LENGTH, claim),
            logprobs));
  }

  /// What these tokens say.
  private String text(int[] said) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (int token : said) {
      if (token < 0 || token >= tokens.tokenizer().size()) {
        return "";
      }
      bytes.writeBytes(tokens.tokenizer().bytes(token));
    }
    String text = bytes.toString(UTF_8);
    return tokens.tokenizer().spacePrefix() && text.startsWith(" ") ? text.substring(1) : text;
  }

  /// The tokens that the answer names, if they say what it says; else those of its text.
  ///
  /// @param whole whether all that was written is in the text: no stop sequence was cut off
  private int[] named(JsonNode ids, String text, boolean whole) {
    int[] named = new int[ids.size()];
    for (int i = 0; i < named.length; i++) {
      named[i] = ids.path(i).asInt(-1);
    }
    return whole && !text(named).equals(text) ? tokens.encode(text) : named;
  }

  private int[] tokens(JsonNode stated) {
    int[] out = new int[stated.size()];
    for (int i = 0; i < out.length; i++) {
      JsonNode bytes = stated.path(i).path("bytes");
      byte[] raw = new byte[bytes.size()];
      for (int k = 0; k < raw.length; k++) {
        raw[k] = (byte) bytes.path(k).asInt();
      }
      out[i] = known.getOrDefault(key(stated.path(i).path("token").asText(), raw), -1);
    }
    return out;
  }

  /// Control tokens may have no bytes, and incomplete characters have no text of their own; both
  /// together tell tokens apart.
  private static String key(String shown, byte[] bytes) {
    return shown + '\0' + new String(bytes, ISO_8859_1);
  }
}
