package dev.perseid.inference;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import io.netty.handler.codec.http.HttpHeaders;
import java.io.IOException;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// What another server says is wrong, read from the shapes in which OpenAI, vLLM, SGLang,
/// llama-server, TGI, Ollama and FastAPI say it.
///
/// @param message for the consumer, or empty
/// @param type its class, or empty
/// @param param the field that is wrong, or empty
/// @param code its code, or empty
record ServerFault(String message, String type, String param, String code) {
  static final ServerFault NONE = new ServerFault("", "", "", "");

  /// Reads it from a body; [#NONE] if it is not JSON or says nothing.
  static ServerFault read(byte[] body) {
    JsonNode root;
    try {
      root = JsonBytes.MAPPER.readTree(body);
    } catch (JacksonException e) {
      return NONE;
    } catch (IOException e) {
      throw new AssertionError("an array can be read", e);
    }
    if (root == null || !root.isObject()) {
      return NONE;
    }
    JsonNode error = root.path("error");
    if (error.isObject()) {
      JsonNode inner = error.path("innererror").path("code");
      String code = text(error.path("code"));
      return new ServerFault(
          clean(text(error.path("message"))),
          text(error.path("type")) + (inner.isTextual() ? " " + text(inner) : ""),
          text(error.path("param")),
          code);
    }
    if (error.isTextual()) {
      return new ServerFault(clean(error.asText()), text(root.path("error_type")), "", "");
    }
    JsonNode detail = root.path("detail");
    if (detail.isTextual()) {
      return new ServerFault(clean(detail.asText()), "", "", "");
    }
    if (detail.isArray() && !detail.isEmpty()) {
      JsonNode at = detail.get(0).path("loc");
      return new ServerFault(
          clean(text(detail.get(0).path("msg"))),
          "",
          at.isArray() && !at.isEmpty() ? clean(text(at.get(at.size() - 1))) : "",
          "");
    }
    return new ServerFault(
        clean(text(root.path("message"))),
        text(root.path("type")),
        text(root.path("param")),
        text(root.path("code")));
  }

  /// What follows from it, with the status that it came with.
  ///
  /// @param key the key that must not be told on, or empty
  Failure failure(int status, @Nullable HttpHeaders headers, String key) {
    String said = key.isEmpty() ? message : message.replace(key, "(key)");
    OptionalLong after = headers == null ? OptionalLong.empty() : retryAfter(headers);
    if (status == 401 || status == 402 || status == 403) {
      if (filtered()) {
        return new Failure(
            Failure.Kind.REFUSED, or(said, "The content was refused."), param, code(), after);
      }
      // Its message may show a part of the key, and is not the consumer's fault.
      return new Failure(
          Failure.Kind.BROKEN, "The model's server does not let the provider in (" + status + ").");
    }
    if (tooLong()) {
      return new Failure(
          Failure.Kind.TOO_LONG,
          or(said, "The request is longer than the model takes."),
          param,
          "context_length_exceeded",
          OptionalLong.empty());
    }
    if (filtered()) {
      return new Failure(
          Failure.Kind.REFUSED, or(said, "The content was refused."), param, code(), after);
    }
    if (unsupported()) {
      return new Failure(
          Failure.Kind.INVALID, said, param, "unsupported_input", OptionalLong.empty());
    }
    return switch (status) {
      case 408, 504 ->
          new Failure(
              Failure.Kind.TIMEOUT, or(said, "The model's server timed out."), "", code(), after);
      case 429, 503, 529 ->
          new Failure(
              Failure.Kind.BUSY, or(said, "The model's server is busy."), "", code(), after);
      // The model's name is the provider's and not the consumer's: what it does not find is no
      // fault of the request.
      case 404 ->
          param.equals("model") || code.contains("model") || message.isEmpty()
              ? new Failure(
                  Failure.Kind.BROKEN, "The model's server does not know the model or the call.")
              : new Failure(Failure.Kind.INVALID, said, param, code(), OptionalLong.empty());
      case 400, 413, 422 ->
          new Failure(
              Failure.Kind.INVALID,
              or(said, "The model's server refuses the request (" + status + ")."),
              param,
              code(),
              OptionalLong.empty());
      default ->
          new Failure(
              Failure.Kind.BROKEN,
              "The model's server answered with status "
                  + status
                  + (said.isEmpty() || status < 500 ? "." : ": " + said),
              "",
              code(),
              after);
    };
  }

  /// What follows from it in the middle of a stream or under the status 200.
  Failure inBand(String key) {
    int status = 500;
    String digits = code.isEmpty() ? type : code;
    if (digits.matches("[45]\\d\\d")) {
      status = Integer.parseInt(digits);
    } else if (type.contains("rate_limit") || type.contains("overloaded")) {
      status = 503;
    }
    if (status == 400 || status == 404 || status == 413 || status == 422) {
      // A server that has begun to answer has accepted the request.
      status = 500;
    }
    Failure failure = failure(status, null, key);
    return failure.kind() == Failure.Kind.BROKEN
        ? new Failure(
            Failure.Kind.BROKEN,
            or(
                key.isEmpty() ? message : message.replace(key, "(key)"),
                "The model's server gave up the answer."),
            "",
            code(),
            OptionalLong.empty())
        : failure;
  }

  private boolean tooLong() {
    if (code.equals("context_length_exceeded") || type.contains("exceed_context_size")) {
      return true;
    }
    String m = message.toLowerCase(Locale.ROOT);
    return m.contains("maximum context length")
        || m.contains("available context size")
        || m.contains("exceed context window")
        || m.contains("exceeds the context window")
        || m.contains("longer than the model's context length")
        || m.contains("maximum model length")
        || m.contains("`max_new_tokens` must be <=");
  }

  /// llama-server answers 500 to a picture that its model cannot read; that is no fault of the
  /// provider's.
  private boolean unsupported() {
    return message.contains("image input is not supported")
        || message.contains("audio input is not supported");
  }

  private boolean filtered() {
    String all = code + " " + type;
    return all.contains("content_filter")
        || all.contains("content_policy")
        || all.contains("ResponsibleAIPolicyViolation")
        || all.contains("moderation");
  }

  private static OptionalLong retryAfter(HttpHeaders headers) {
    String ms = headers.get("retry-after-ms");
    if (ms != null) {
      OptionalLong exact = number(ms, 1);
      if (exact.isPresent()) {
        return exact;
      }
    }
    String after = headers.get("retry-after");
    if (after == null) {
      return OptionalLong.empty();
    }
    OptionalLong seconds = number(after, 1_000);
    if (seconds.isPresent()) {
      return seconds;
    }
    return date(after.strip())
        .map(at -> OptionalLong.of(bounded(at.toEpochMilli() - System.currentTimeMillis())))
        .orElse(OptionalLong.empty());
  }

  private static Optional<Instant> date(String text) {
    try {
      return Optional.of(
          ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant());
    } catch (DateTimeParseException e) {
      return Optional.empty();
    }
  }

  private static OptionalLong number(String text, double unitMs) {
    String digits = text.strip();
    if (!digits.matches("\\d{1,12}(\\.\\d{1,6})?")) {
      return OptionalLong.empty();
    }
    return OptionalLong.of(bounded((long) Math.ceil(Double.parseDouble(digits) * unitMs)));
  }

  private static long bounded(long ms) {
    return Math.clamp(ms, 0, BackendLimits.RETRY_AFTER_MS);
  }

  private static String text(JsonNode node) {
    return node.isTextual() || node.isNumber() ? clean(node.asText()) : "";
  }

  private static String clean(String text) {
    StringBuilder out = new StringBuilder();
    text.codePoints()
        .limit(BackendLimits.FAULT_TEXT)
        .map(c -> Character.isISOControl(c) ? ' ' : c)
        .forEach(out::appendCodePoint);
    return out.toString();
  }

  private static String or(String said, String otherwise) {
    return said.isEmpty() ? otherwise : said;
  }
}
