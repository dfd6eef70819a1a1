package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Model;
import dev.perseid.core.TokenPrice;
import dev.perseid.inference.Api;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeSet;

/// OpenAI's API: chat completions, completions, embeddings and models.
final class OpenAiDialect implements Dialect {
  @Override
  public String name() {
    return "OpenAI";
  }

  @Override
  public List<Route> routes() {
    return List.of(
        Route.priced("POST", "/v1/chat/completions", in -> OpenAiScan.read(Api.CHAT, in)),
        Route.priced("POST", "/v1/completions", in -> OpenAiScan.read(Api.COMPLETION, in)),
        Route.priced("POST", "/v1/embeddings", OpenAiDialect::embeddings),
        Route.of("GET", "/v1/models", OpenAiDialect::models),
        Route.of("GET", "/v1/models/{id...}", OpenAiDialect::model));
  }

  // ---- errors ---------------------------------------------------------------------------------

  @Override
  public Reply.Whole error(Problem problem) {
    return Reply.Whole.json(problem.status(), shape(problem));
  }

  /// `{"error":{...}}`, as OpenAI's clients read it.
  static byte[] shape(Problem problem) {
    ObjectNode body = Json.object();
    ObjectNode error = body.putObject("error");
    error.put("message", problem.text());
    error.put("type", type(problem.kind()));
    if (problem.param().isEmpty()) {
      error.putNull("param");
    } else {
      error.put("param", problem.param());
    }
    if (problem.code().isEmpty()) {
      error.putNull("code");
    } else {
      error.put("code", problem.code());
    }
    return Json.bytes(body);
  }

  private static String type(Problem.Kind kind) {
    return switch (kind) {
      case INVALID, NOT_FOUND, METHOD, SLOW, TOO_LARGE, HEADER_TOO_LARGE -> "invalid_request_error";
      case UNAUTHENTICATED -> "authentication_error";
      case UNPAID -> "insufficient_quota";
      case FORBIDDEN -> "permission_error";
      case TOO_MANY -> "rate_limit_error";
      case INTERNAL, BROKEN, UNAVAILABLE, LATE -> "server_error";
    };
  }

  // ---- embeddings -----------------------------------------------------------------------------

  private static Reply embeddings(Inbound in) throws Problem {
    ObjectNode body = Json.parse(in.body());
    JsonNode model = body.path("model");
    if (!model.isTextual()
        || model.textValue().isEmpty()
        || model.textValue().length() > GatewayLimits.MODEL_CHARS) {
      throw Problem.invalid("model", "You must provide a model: \"model\": \"<name>\".");
    }
    boolean base64 =
        switch (body.path("encoding_format").asText("float")) {
          case "float", "null" -> false;
          case "base64" -> true;
          default ->
              throw Problem.invalid(
                  "encoding_format", "'encoding_format' must be \"float\" or \"base64\".");
        };
    JsonNode dimensions = body.path("dimensions");
    if (!dimensions.isMissingNode()
        && !dimensions.isNull()
        && !(dimensions.isInt() && dimensions.intValue() > 0)) {
      throw Problem.invalid("dimensions", "'dimensions' must be a positive integer.");
    }
    ArrayNode inputs = inputs(body.path("input"));
    Wishes wishes = Wishes.of(body.path("provider"));
    body.remove(List.of("provider", "models", "route", "transforms"));
    body.set("input", inputs);
    body.put("encoding_format", "float");
    Call call =
        Call.of(
            Api.EMBEDDING,
            List.of(model.textValue()),
            body,
            false,
            wishes,
            OptionalLong.of(0),
            1,
            in.turn());
    return new Reply.Asked(call, new EmbeddingRenderer(base64, inputs.size()));
  }

  /// A text, a list of texts, a list of tokens or a list of those: always a list.
  static ArrayNode inputs(JsonNode input) throws Problem {
    ArrayNode list = Json.MAPPER.createArrayNode();
    if (input.isTextual()) {
      list.add(input);
    } else if (input.isArray() && !input.isEmpty() && input.get(0).isIntegralNumber()) {
      list.add(tokens(input));
    } else if (input.isArray() && !input.isEmpty()) {
      for (JsonNode one : input) {
        if (one.isTextual()) {
          list.add(one);
        } else {
          list.add(tokens(one));
        }
      }
    } else {
      throw wrongInput();
    }
    if (list.size() > GatewayLimits.INPUTS) {
      throw Problem.invalid(
          "input", "'input' may have at most " + GatewayLimits.INPUTS + " entries.");
    }
    for (JsonNode one : list) {
      if (one.isTextual() && one.textValue().isEmpty()) {
        throw Problem.invalid("input", "'input' must not have empty strings.");
      }
    }
    return list;
  }

  private static JsonNode tokens(JsonNode list) throws Problem {
    if (!list.isArray() || list.isEmpty()) {
      throw wrongInput();
    }
    for (JsonNode token : list) {
      if (!token.isInt() || token.intValue() < 0) {
        throw wrongInput();
      }
    }
    return list;
  }

  private static Problem wrongInput() {
    return Problem.invalid(
        "input",
        "'input' must be a string, a list of strings, a list of tokens, or a list of those.");
  }

  // ---- models ---------------------------------------------------------------------------------

  private static Reply models(Inbound in) {
    Shelf shelf = in.shelf();
    ObjectNode page = Json.object();
    page.put("object", "list");
    ArrayNode data = page.putArray("data");
    for (String name : shelf.names()) {
      shelf.find(name).ifPresent(found -> data.add(model(shelf, name, found.model())));
    }
    return Reply.Whole.json(200, page);
  }

  private static Reply model(Inbound in) throws Problem {
    String id = in.variable("id");
    Optional<Shelf.Named> found = in.shelf().find(id);
    if (found.isEmpty()) {
      throw Problem.noModel(id);
    }
    return Reply.Whole.json(200, model(in.shelf(), id, found.get().model()));
  }

  private static ObjectNode model(Shelf shelf, String id, Model model) {
    ObjectNode out = Json.object();
    out.put("id", id);
    out.put("object", "model");
    out.put("created", model.madeUs() / 1_000_000);
    out.put("owned_by", model.author().toString());
    out.put("name", model.name());
    out.put("version", model.version());
    out.put("manifest", "sha256:" + model.manifest().hex());
    out.put("task", model.task().name().toLowerCase(Locale.ROOT));
    out.put("quantization", model.quantisation());
    out.put("licence", model.licence());
    if (model.contextTokens() > 0) {
      out.put("context_length", model.contextTokens());
    }
    List<Market.Listing> listings = shelf.listings(model);
    Optional<TokenPrice> least =
        listings.stream()
            .map(l -> l.offer().price())
            .min(
                Comparator.comparingLong(
                    (TokenPrice p) -> p.perMillionPrompt() / 2 + p.perMillionCompletion() / 2));
    least.ifPresent(terms -> out.set("pricing", pricing(terms)));
    out.put("x-perseid-congestion", shelf.congestion(model));
    NavigableSet<String> honoured = new TreeSet<>();
    listings.forEach(l -> l.live().honours().ifPresent(honoured::addAll));
    honoured.forEach(out.putArray("supported_parameters")::add);
    ArrayNode offers = out.putArray("offers");
    for (Market.Listing l : listings) {
      ObjectNode offer = offers.addObject();
      offer.put("provider", l.offer().provider().toString());
      offer.put("offer", l.offerHash().hex());
      offer.put("region", l.offer().region());
      offer.put("quantization", l.offer().quantisation());
      offer.put("backend", l.offer().backend());
      offer.put("data_policy", l.offer().policy().name().toLowerCase(Locale.ROOT));
      offer.put("reachable", l.live().reachable());
      offer.put("parallel", l.offer().parallel());
      if (l.offer().contextTokens() > 0) {
        offer.put("context_length", l.offer().contextTokens());
      }
      l.live().firstTokenMs().ifPresent(ms -> offer.put("first_token_ms", ms));
      l.live().tokensPerS().ifPresent(rate -> offer.put("tokens_per_s", rate));
      l.live().microjoulesPerToken().ifPresent(uj -> offer.put("microjoules_per_token", uj));
      l.live()
          .honours()
          .ifPresent(names -> names.forEach(offer.putArray("supported_parameters")::add));
      offer.set("pricing", pricing(l.offer().price()));
    }
    return out;
  }

  /// Credits for one token, request and row, as decimal texts.
  private static ObjectNode pricing(TokenPrice terms) {
    ObjectNode out = Json.object();
    out.put("prompt", Cost.creditsEach(terms.perMillionPrompt()));
    out.put("completion", Cost.creditsEach(terms.perMillionCompletion()));
    out.put("input_cache_read", Cost.creditsEach(terms.perMillionCached()));
    out.put("request", Cost.creditsEach(terms.perMillionRequests()));
    out.put("row", Cost.creditsEach(terms.perMillionRows()));
    return out;
  }
}
