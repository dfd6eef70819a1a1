package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.inference.Api;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// OpenAI's answers to chat and completion requests: the canonical parts as they are, but with the
/// model's name as it was asked for, and with what was billed in `usage`.
final class ChatRenderer implements Renderer {
  private static final byte[] DATA = "data: ".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] END = "\n\n".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] DONE = "data: [DONE]\n\n".getBytes(StandardCharsets.US_ASCII);

  private final Api api;
  private final boolean streams;
  private final boolean includeUsage;
  private byte[] model = new byte[0];

  // The usage chunk, kept back until the bill is known.
  private byte @Nullable [] usage;
  private byte @Nullable [] whole;
  private byte[] id = "\"\"".getBytes(StandardCharsets.US_ASCII);
  private byte[] created = "0".getBytes(StandardCharsets.US_ASCII);
  private boolean any;

  ChatRenderer(Api api, boolean streams, boolean includeUsage) {
    this.api = api;
    this.streams = streams;
    this.includeUsage = includeUsage;
  }

  @Override
  public String contentType() {
    return streams ? "text/event-stream; charset=utf-8" : "application/json";
  }

  @Override
  public boolean streams() {
    return streams;
  }

  @Override
  public void serving(String name, Market.Listing listing) {
    model = Json.quoted(name);
  }

  @Override
  public void part(byte[] json, Outlet out) throws Problem {
    Fields fields = Fields.of(json);
    if (fields.errorFrom >= 0) {
      throw new Problem(
          Problem.Kind.BROKEN, "The provider ended its answer with an error.", "provider_failed");
    }
    if (!streams) {
      if (!fields.hasChoices()) {
        throw new Problem(
            Problem.Kind.BROKEN, "The provider's answer has no choices.", "provider_failed");
      }
      whole = json;
      return;
    }
    if (!any) {
      if (fields.idFrom >= 0) {
        id = Arrays.copyOfRange(json, fields.idFrom, fields.idTo);
      }
      if (fields.createdFrom >= 0) {
        created = Arrays.copyOfRange(json, fields.createdFrom, fields.createdTo);
      }
    }
    if (!fields.hasChoices()) {
      if (fields.hasUsage() && includeUsage) {
        usage = json;
      }
      return;
    }
    any = true;
    out.write(DATA);
    named(json, fields, fields.close + 1, out);
    out.write(END);
  }

  /// Writes an object up to `to`, with the model's name as it was asked for. Line breaks between
  /// tokens, which an event cannot hold, become spaces.
  private void named(byte[] json, Fields fields, int to, Outlet out) {
    for (int i = 0; i < to; i++) {
      if (json[i] == '\n' || json[i] == '\r') {
        json[i] = ' ';
      }
    }
    if (fields.modelFrom >= 0) {
      out.write(json, fields.open, fields.modelFrom);
      out.write(model);
      out.write(json, fields.modelTo, to);
    } else {
      out.text("{\"model\":").write(model).text(",").write(json, fields.open + 1, to);
    }
  }

  @Override
  public void done(Market.Bill bill, Outlet out) throws Problem {
    if (!streams) {
      byte[] json = whole;
      if (json == null) {
        throw empty();
      }
      finish(json, bill, out);
      return;
    }
    if (!any) {
      throw empty();
    }
    if (includeUsage) {
      out.write(DATA);
      if (usage != null) {
        finish(usage, bill, out);
      } else {
        out.text("{\"id\":").write(id).text(",\"object\":\"");
        out.text(api == Api.CHAT ? "chat.completion.chunk" : "text_completion");
        out.text("\",\"created\":").write(created).text(",\"model\":").write(model);
        out.text(",\"choices\":[],\"usage\":").write(Json.bytes(usage(Json.object(), bill)));
        out.text("}");
      }
      out.write(END);
    }
    out.write(DONE);
  }

  private static Problem empty() {
    return new Problem(Problem.Kind.BROKEN, "The provider's answer was empty.", "provider_failed");
  }

  /// Writes the object that has the usage, or gets one.
  private void finish(byte[] json, Market.Bill bill, Outlet out) throws Problem {
    Fields fields = Fields.of(json);
    if (!fields.hasUsage()) {
      if (fields.usageFrom >= 0) {
        // A null in its place.
        ObjectNode tree = Json.ofProvider(json);
        tree.remove("usage");
        byte[] rest = Json.bytes(tree);
        finish(rest, bill, out);
        return;
      }
      named(json, fields, fields.close, out);
      out.text(",\"usage\":").write(Json.bytes(usage(Json.object(), bill))).text("}");
      return;
    }
    ObjectNode claimed =
        Json.ofProvider(Arrays.copyOfRange(json, fields.usageFrom, fields.usageTo));
    byte[] billed = Json.bytes(usage(claimed, bill));
    byte[] spliced = new byte[json.length - (fields.usageTo - fields.usageFrom) + billed.length];
    System.arraycopy(json, 0, spliced, 0, fields.usageFrom);
    System.arraycopy(billed, 0, spliced, fields.usageFrom, billed.length);
    System.arraycopy(
        json,
        fields.usageTo,
        spliced,
        fields.usageFrom + billed.length,
        json.length - fields.usageTo);
    Fields again = Fields.of(spliced);
    named(spliced, again, again.close + 1, out);
  }

  /// What was claimed, with the counts that were billed where they are smaller, and the cost.
  private static ObjectNode usage(ObjectNode claimed, Market.Bill bill) {
    long prompt = smaller(claimed.path("prompt_tokens"), bill.promptTokens());
    long completion = smaller(claimed.path("completion_tokens"), bill.completionTokens());
    claimed.put("prompt_tokens", prompt);
    claimed.put("completion_tokens", completion);
    claimed.put("total_tokens", prompt + completion);
    if (claimed.path("prompt_tokens_details") instanceof ObjectNode details) {
      details.put("cached_tokens", smaller(details.path("cached_tokens"), bill.cachedTokens()));
    } else if (bill.cachedTokens() > 0) {
      claimed.putObject("prompt_tokens_details").put("cached_tokens", bill.cachedTokens());
    }
    claimed.put("cost", new BigDecimal(Cost.credits(bill.charge())));
    return claimed;
  }

  private static long smaller(JsonNode claimed, long billed) {
    return claimed.canConvertToLong() && claimed.isIntegralNumber()
        ? Math.min(claimed.longValue(), billed)
        : billed;
  }

  @Override
  public void failed(Problem problem, Outlet out) {
    // The name is for clients that look at nothing else; the others read the object.
    out.event("error", OpenAiDialect.shape(problem));
  }
}
