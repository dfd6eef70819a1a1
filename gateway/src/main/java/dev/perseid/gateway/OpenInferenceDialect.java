package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Model;
import dev.perseid.inference.Api;
import dev.perseid.inference.ModelSignature;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// The Open Inference Protocol, version 2, over HTTP (KServe, Triton): tensors in JSON, or in bytes
/// behind it (the binary tensor data extension).
final class OpenInferenceDialect implements Dialect {
  /// Tells how long the JSON in front of binary tensors is.
  static final String HEADER_LENGTH = "inference-header-content-length";

  private final Market market;

  OpenInferenceDialect(Market market) {
    this.market = market;
  }

  @Override
  public String name() {
    return "Open Inference";
  }

  @Override
  public boolean owns(String path) {
    return path.equals("/v2") || path.startsWith("/v2/");
  }

  @Override
  public List<Route> routes() {
    return List.of(
        Route.open("GET", "/v2/health/live", in -> state("live")),
        Route.open("GET", "/v2/health/ready", in -> state("ready")),
        Route.of("GET", "/v2", in -> server()),
        Route.priced(
            "POST", "/v2/models/{m...}/versions/{v}/infer", in -> infer(in, versioned(in))),
        Route.priced("POST", "/v2/models/{m...}/infer", in -> infer(in, in.variable("m"))),
        Route.of("GET", "/v2/models/{m...}/versions/{v}/ready", in -> ready(in, versioned(in))),
        Route.of("GET", "/v2/models/{m...}/ready", in -> ready(in, in.variable("m"))),
        Route.of("GET", "/v2/models/{m...}/versions/{v}", in -> metadata(in, versioned(in))),
        Route.of("GET", "/v2/models/{m...}", in -> metadata(in, in.variable("m"))));
  }

  @Override
  public Reply.Whole error(Problem problem) {
    return Reply.Whole.json(problem.status(), Json.object().put("error", problem.text()));
  }

  private static String versioned(Inbound in) {
    return in.variable("m") + ":" + in.variable("v");
  }

  private static Reply state(String word) {
    return Reply.Whole.json(200, Json.object().put(word, true));
  }

  private static Reply server() {
    ObjectNode out = Json.object();
    out.put("name", "perseid");
    out.put("version", "0.1.0");
    out.putArray("extensions").add("binary_tensor_data");
    return Reply.Whole.json(200, out);
  }

  private static Model model(Inbound in, String name) throws Problem {
    Optional<Shelf.Named> found = in.shelf().find(name);
    if (found.isEmpty()) {
      throw Problem.noModel(name);
    }
    return found.get().model();
  }

  private static Reply ready(Inbound in, String name) throws Problem {
    Model model = model(in, name);
    boolean ready =
        in.shelf().listings(model).stream().anyMatch(listing -> listing.live().reachable());
    ObjectNode out = Json.object();
    out.put("name", model.name());
    out.put("ready", ready);
    return Reply.Whole.json(ready ? 200 : 503, out);
  }

  private Reply metadata(Inbound in, String name) throws Problem {
    Model model = model(in, name);
    ObjectNode out = Json.object();
    out.put("name", model.name());
    ArrayNode versions = out.putArray("versions");
    for (Model one : in.shelf().models()) {
      if (one.name().equals(model.name())) {
        versions.add(one.version());
      }
    }
    out.put("platform", model.format().equals("onnx") ? "onnxruntime_onnx" : model.format());
    ModelSignature signature =
        market.signature(model.manifest()).orElse(new ModelSignature(List.of(), List.of()));
    tensors(out.putArray("inputs"), signature.inputs());
    tensors(out.putArray("outputs"), signature.outputs());
    return Reply.Whole.json(200, out);
  }

  private static void tensors(ArrayNode to, List<ModelSignature.Tensor> tensors) {
    for (ModelSignature.Tensor tensor : tensors) {
      ObjectNode one = to.addObject();
      one.put("name", tensor.name());
      one.put("datatype", tensor.datatype());
      ArrayNode shape = one.putArray("shape");
      tensor.shape().forEach(shape::add);
    }
  }

  // ---- infer ----------------------------------------------------------------------------------

  private static Reply infer(Inbound in, String name) throws Problem {
    byte[] bytes = in.body();
    int jsonBytes = bytes.length;
    Optional<String> header = in.header(HEADER_LENGTH);
    if (header.isPresent()) {
      jsonBytes = header.get().matches("[0-9]{1,9}") ? Integer.parseInt(header.get()) : -1;
      if (jsonBytes < 2 || jsonBytes > bytes.length) {
        throw Problem.invalid(
            HEADER_LENGTH,
            "Inference-Header-Content-Length must be the length of the JSON at the body's start.");
      }
    }
    ObjectNode body = Json.parse(Arrays.copyOf(bytes, jsonBytes));
    JsonNode inputs = body.path("inputs");
    if (!inputs.isArray() || inputs.isEmpty()) {
      throw Problem.invalid("inputs", "'inputs' must be a list of tensors.");
    }
    if (body.has("id") && !body.path("id").isTextual()) {
      throw Problem.invalid("id", "'id' must be a string.");
    }
    TensorBytes binary = new TensorBytes(bytes, jsonBytes);
    for (int i = 0; i < inputs.size(); i++) {
      tensor("inputs[" + i + "]", inputs.get(i), binary);
    }
    binary.end();
    InferRenderer renderer = new InferRenderer(body, header.isPresent());
    Wishes wishes = Wishes.of(body.path("provider"));
    body.remove("provider");
    return new Reply.Asked(
        Call.of(Api.INFER, List.of(name), body, false, wishes, OptionalLong.of(0), 1, in.turn()),
        renderer);
  }

  private static void tensor(String field, JsonNode node, TensorBytes binary) throws Problem {
    if (!(node instanceof ObjectNode tensor)
        || !tensor.path("name").isTextual()
        || !tensor.path("datatype").isTextual()
        || !tensor.path("shape").isArray()) {
      throw Problem.invalid(
          field, "'" + field + "' must be an object with name, datatype, shape and data.");
    }
    TensorType type = TensorType.of(field + ".datatype", tensor.path("datatype").textValue());
    long elements = 1;
    for (JsonNode size : tensor.path("shape")) {
      if (!size.isIntegralNumber() || !size.canConvertToInt() || size.intValue() < 0) {
        throw Problem.invalid(
            field + ".shape",
            "'" + field + ".shape' must be a list of sizes that are not negative.");
      }
      elements = Math.min(elements * size.intValue(), Integer.MAX_VALUE);
    }
    JsonNode size = tensor.path("parameters").path("binary_data_size");
    if (!size.isMissingNode()) {
      if (!size.isInt() || size.intValue() < 0 || tensor.has("data")) {
        throw Problem.invalid(
            field + ".parameters.binary_data_size",
            "A tensor has either 'data' or a 'binary_data_size' that is not negative.");
      }
      tensor.set("data", binary.read(field, type, elements, size.intValue()));
      ((ObjectNode) tensor.path("parameters")).remove("binary_data_size");
      return;
    }
    if (!tensor.path("data").isArray()) {
      throw Problem.invalid(field + ".data", "'" + field + ".data' must be a list.");
    }
    long given = count(field + ".data", tensor.path("data"), type);
    if (given != elements) {
      throw Problem.invalid(
          field + ".data",
          "'" + field + ".data' has " + given + " elements, but its shape has " + elements + ".");
    }
  }

  private static long count(String field, JsonNode data, TensorType type) throws Problem {
    long count = 0;
    for (JsonNode one : data) {
      if (one.isArray()) {
        count += count(field, one, type);
      } else if (type.takes(one)) {
        count++;
      } else {
        throw Problem.invalid(field, "'" + field + "' has a value that is no " + type.name() + ".");
      }
    }
    return count;
  }

  /// The protocol's answer, with binary tensors where the client asked for them.
  private static final class InferRenderer implements Renderer {
    private final @Nullable String id;
    private final boolean allBinary;
    private final List<String> binary = new ArrayList<>();
    private String model = "";
    private String version = "";
    private @Nullable ObjectNode answer;
    private int jsonBytes = -1;

    InferRenderer(ObjectNode request, boolean mayBinary) {
      id = request.path("id").textValue();
      allBinary =
          mayBinary && request.path("parameters").path("binary_data_output").asBoolean(false);
      for (JsonNode output : request.path("outputs")) {
        if (output.path("parameters").path("binary_data").asBoolean(false)) {
          binary.add(output.path("name").asText());
        }
        if (output.path("parameters") instanceof ObjectNode parameters) {
          parameters.remove("binary_data");
        }
      }
      if (request.path("parameters") instanceof ObjectNode parameters) {
        parameters.remove("binary_data_output");
      }
    }

    @Override
    public String contentType() {
      return jsonBytes < 0 ? "application/json" : "application/octet-stream";
    }

    @Override
    public List<Map.Entry<String, String>> headers() {
      return jsonBytes < 0
          ? List.of()
          : List.of(Map.entry(HEADER_LENGTH, Integer.toString(jsonBytes)));
    }

    @Override
    public boolean streams() {
      return false;
    }

    @Override
    public void serving(String name, Market.Listing listing) {
      model = listing.model().name();
      version = listing.model().version();
    }

    @Override
    public void part(byte[] json, Outlet out) throws Problem {
      ObjectNode tree = Json.ofProvider(json);
      if (!tree.path("outputs").isArray()) {
        throw new Problem(
            Problem.Kind.BROKEN, "The provider's answer has no outputs.", "provider_failed");
      }
      answer = tree;
    }

    @Override
    public void done(Market.Bill bill, Outlet out) throws Problem {
      ObjectNode tree = answer;
      if (tree == null) {
        throw new Problem(
            Problem.Kind.BROKEN, "The provider's answer was empty.", "provider_failed");
      }
      tree.remove("model");
      tree.put("model_name", model);
      tree.put("model_version", version);
      if (id != null) {
        tree.put("id", id);
      }
      Json.objectIn(tree, "parameters").put("cost", new BigDecimal(Cost.credits(bill.charge())));
      List<byte[]> raw = new ArrayList<>();
      for (JsonNode output : tree.path("outputs")) {
        boolean wanted = allBinary || binary.contains(output.path("name").asText());
        if (wanted && output instanceof ObjectNode tensor) {
          byte[] bytes = TensorBytes.write(tensor);
          tensor.remove("data");
          Json.objectIn(tensor, "parameters").put("binary_data_size", bytes.length);
          raw.add(bytes);
        }
      }
      byte[] json = Json.bytes(tree);
      out.write(json);
      if (!raw.isEmpty()) {
        jsonBytes = json.length;
        raw.forEach(out::write);
      }
    }

    @Override
    public void failed(Problem problem, Outlet out) {
      out.write(Json.bytes(Json.object().put("error", problem.text())));
    }
  }
}
