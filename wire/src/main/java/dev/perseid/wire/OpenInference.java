package dev.perseid.wire;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.ByteString;
import dev.perseid.wire.v1.OpenInferenceProto.InferParameter;
import dev.perseid.wire.v1.OpenInferenceProto.InferTensorContents;
import dev.perseid.wire.v1.OpenInferenceProto.ModelInferRequest;
import dev.perseid.wire.v1.OpenInferenceProto.ModelInferResponse;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The Open Inference Protocol, version 2: its gRPC messages from and to its JSON, which is how
/// models are asked.
///
/// In JSON, `model` is the model's name, with `:version` behind it if there is one; the elements of
/// a tensor are one flat list. Raw contents are little-endian, row by row, and each element of
/// `BYTES` has its length in four bytes before it. What JSON cannot say is refused: numbers that
/// are not finite, and bytes that are no text in UTF-8.
public final class OpenInference {
  private static final int JSON_DEPTH = 32;

  private static final ObjectMapper MAPPER =
      new ObjectMapper(
          JsonFactory.builder()
              .streamReadConstraints(
                  StreamReadConstraints.builder()
                      .maxNestingDepth(JSON_DEPTH)
                      .maxStringLength(WireLimits.MESSAGE_BYTES)
                      .build())
              .enable(JsonWriteFeature.COMBINE_UNICODE_SURROGATES_IN_UTF8)
              .build());

  private OpenInference() {}

  /// Types of elements.
  private enum Type {
    BOOL(1),
    UINT8(1),
    UINT16(2),
    UINT32(4),
    UINT64(8),
    INT8(1),
    INT16(2),
    INT32(4),
    INT64(8),
    FP16(2),
    FP32(4),
    FP64(8),
    BYTES(0);

    private final int bytes;

    Type(int bytes) {
      this.bytes = bytes;
    }

    static Type of(String place, String name) throws Malformed {
      for (Type type : values()) {
        if (type.name().equals(name)) {
          return type;
        }
      }
      throw new Malformed(
          place
              + " has a datatype that does not exist: write BOOL, INT8 to INT64, UINT8 to UINT64,"
              + " FP16, FP32, FP64 or BYTES");
    }
  }

  // ---- requests -------------------------------------------------------------------------------

  /// A request in JSON.
  public static byte[] json(ModelInferRequest request) throws Malformed {
    ObjectNode out = MAPPER.createObjectNode();
    if (request.getModelName().isEmpty()) {
      throw new Malformed("model_name is empty: name the model");
    }
    String version = request.getModelVersion();
    out.put("model", request.getModelName() + (version.isEmpty() ? "" : ":" + version));
    if (!request.getId().isEmpty()) {
      out.put("id", request.getId());
    }
    parameters(out, request.getParametersMap());
    int raws = request.getRawInputContentsCount();
    if (request.getInputsCount() == 0) {
      throw new Malformed("inputs is empty: send at least one tensor");
    }
    raws("raw_input_contents", raws, request.getInputsCount());
    ArrayNode inputs = out.putArray("inputs");
    for (int i = 0; i < request.getInputsCount(); i++) {
      ModelInferRequest.InferInputTensor tensor = request.getInputs(i);
      ByteString raw = raws == 0 ? null : request.getRawInputContents(i);
      InferTensorContents contents = tensor.hasContents() ? tensor.getContents() : null;
      String place = "inputs[" + i + "]";
      ObjectNode one =
          head(inputs, place, tensor.getName(), tensor.getDatatype(), tensor.getShapeList());
      parameters(one, tensor.getParametersMap());
      one.set("data", data(place, tensor.getDatatype(), tensor.getShapeList(), contents, raw));
    }
    if (request.getOutputsCount() > 0) {
      ArrayNode outputs = out.putArray("outputs");
      for (ModelInferRequest.InferRequestedOutputTensor output : request.getOutputsList()) {
        ObjectNode one = outputs.addObject().put("name", output.getName());
        parameters(one, output.getParametersMap());
      }
    }
    return bytes(out);
  }

  /// A request from JSON, with typed contents, or raw ones.
  public static ModelInferRequest request(byte[] json, boolean raw) throws Malformed {
    JsonNode in = read(json);
    ModelInferRequest.Builder out = ModelInferRequest.newBuilder();
    String model = text(in, "model");
    int colon = model.lastIndexOf(':');
    out.setModelName(colon < 0 ? model : model.substring(0, colon));
    out.setModelVersion(colon < 0 ? "" : model.substring(colon + 1));
    out.setId(in.path("id").asText(""));
    out.putAllParameters(parameters(in));
    int at = 0;
    for (JsonNode tensor : list(in, "inputs")) {
      String place = "inputs[" + at++ + "]";
      Type type = Type.of(place, text(tensor, "datatype"));
      List<Long> shape = shape(place, tensor);
      List<JsonNode> elements = elements(place, tensor, type, shape);
      ModelInferRequest.InferInputTensor.Builder one =
          out.addInputsBuilder()
              .setName(text(tensor, "name"))
              .setDatatype(type.name())
              .addAllShape(shape)
              .putAllParameters(parameters(tensor));
      if (raw) {
        out.addRawInputContents(raw(type, elements));
      } else {
        one.setContents(contents(place, type, elements));
      }
    }
    for (JsonNode output : in.path("outputs")) {
      out.addOutputsBuilder().setName(text(output, "name")).putAllParameters(parameters(output));
    }
    return out.build();
  }

  // ---- answers --------------------------------------------------------------------------------

  /// An answer in JSON.
  public static byte[] json(ModelInferResponse response) throws Malformed {
    ObjectNode out = MAPPER.createObjectNode();
    out.put("model_name", response.getModelName());
    if (!response.getModelVersion().isEmpty()) {
      out.put("model_version", response.getModelVersion());
    }
    if (!response.getId().isEmpty()) {
      out.put("id", response.getId());
    }
    parameters(out, response.getParametersMap());
    int raws = response.getRawOutputContentsCount();
    raws("raw_output_contents", raws, response.getOutputsCount());
    ArrayNode outputs = out.putArray("outputs");
    for (int i = 0; i < response.getOutputsCount(); i++) {
      ModelInferResponse.InferOutputTensor tensor = response.getOutputs(i);
      ByteString raw = raws == 0 ? null : response.getRawOutputContents(i);
      InferTensorContents contents = tensor.hasContents() ? tensor.getContents() : null;
      String place = "outputs[" + i + "]";
      ObjectNode one =
          head(outputs, place, tensor.getName(), tensor.getDatatype(), tensor.getShapeList());
      parameters(one, tensor.getParametersMap());
      one.set("data", data(place, tensor.getDatatype(), tensor.getShapeList(), contents, raw));
    }
    return bytes(out);
  }

  /// An answer from JSON, with raw contents where the request had them (servers answer as they were
  /// asked) or where a tensor's type has no others (FP16).
  public static ModelInferResponse response(byte[] json, boolean raw) throws Malformed {
    JsonNode in = read(json);
    ModelInferResponse.Builder out = ModelInferResponse.newBuilder();
    out.setModelName(in.path("model_name").asText(""));
    out.setModelVersion(in.path("model_version").asText(""));
    out.setId(in.path("id").asText(""));
    out.putAllParameters(parameters(in));
    boolean allRaw = raw;
    for (JsonNode tensor : list(in, "outputs")) {
      allRaw |= tensor.path("datatype").asText("").equals("FP16");
    }
    int at = 0;
    for (JsonNode tensor : list(in, "outputs")) {
      String place = "outputs[" + at++ + "]";
      Type type = Type.of(place, text(tensor, "datatype"));
      List<Long> shape = shape(place, tensor);
      List<JsonNode> elements = elements(place, tensor, type, shape);
      ModelInferResponse.InferOutputTensor.Builder one =
          out.addOutputsBuilder()
              .setName(text(tensor, "name"))
              .setDatatype(type.name())
              .addAllShape(shape)
              .putAllParameters(parameters(tensor));
      if (allRaw) {
        out.addRawOutputContents(raw(type, elements));
      } else {
        one.setContents(contents(place, type, elements));
      }
    }
    return out.build();
  }

  // ---- tensors in messages --------------------------------------------------------------------

  private static void raws(String field, int raws, int tensors) throws Malformed {
    if (raws != 0 && raws != tensors) {
      throw new Malformed(
          field + " has " + raws + " elements for " + tensors + " tensors: one for each, or none");
    }
  }

  private static ObjectNode head(
      ArrayNode to, String place, String name, String datatype, List<Long> shape) throws Malformed {
    if (name.isEmpty()) {
      throw new Malformed(place + " has no name");
    }
    ObjectNode out = to.addObject().put("name", name).put("datatype", datatype);
    ArrayNode sizes = out.putArray("shape");
    shape.forEach(sizes::add);
    return out;
  }

  private static long count(String place, List<Long> shape) throws Malformed {
    long count = 1;
    for (long size : shape) {
      if (size < 0) {
        throw new Malformed(place + " has a negative size in its shape");
      }
      count = size == 0 ? 0 : count > Integer.MAX_VALUE / size ? Integer.MAX_VALUE : count * size;
    }
    return count;
  }

  private static ArrayNode data(
      String place,
      String datatype,
      List<Long> shape,
      @Nullable InferTensorContents contents,
      @Nullable ByteString raw)
      throws Malformed {
    Type type = Type.of(place, datatype);
    long count = count(place, shape);
    if (raw == null) {
      return ofContents(
          place,
          type,
          contents == null ? InferTensorContents.getDefaultInstance() : contents,
          count);
    }
    if (contents != null) {
      throw new Malformed(place + " has both contents and raw contents: send one of them");
    }
    return ofRaw(place, type, raw, count);
  }

  private static ArrayNode ofContents(
      String place, Type type, InferTensorContents contents, long count) throws Malformed {
    ArrayNode out = MAPPER.createArrayNode();
    switch (type) {
      case BOOL -> contents.getBoolContentsList().forEach(out::add);
      case UINT8, UINT16, UINT32 -> {
        for (int value : contents.getUintContentsList()) {
          long whole = Integer.toUnsignedLong(value);
          if (whole >>> (8 * type.bytes) != 0) {
            throw new Malformed(place + " has " + whole + ", which is no " + type);
          }
          out.add(whole);
        }
      }
      case UINT64 ->
          contents
              .getUint64ContentsList()
              .forEach(value -> out.add(new BigInteger(Long.toUnsignedString(value))));
      case INT8, INT16, INT32 -> {
        int spare = 32 - 8 * type.bytes;
        for (int value : contents.getIntContentsList()) {
          if (value << spare >> spare != value) {
            throw new Malformed(place + " has " + value + ", which is no " + type);
          }
          out.add(value);
        }
      }
      case INT64 -> contents.getInt64ContentsList().forEach(out::add);
      case FP16 ->
          throw new Malformed(place + " is FP16, which travels in raw contents only: send those");
      case FP32 -> {
        for (float value : contents.getFp32ContentsList()) {
          out.add((float) finite(place, value));
        }
      }
      case FP64 -> {
        for (double value : contents.getFp64ContentsList()) {
          out.add(finite(place, value));
        }
      }
      case BYTES -> {
        for (ByteString value : contents.getBytesContentsList()) {
          out.add(utf8(place, value.asReadOnlyByteBuffer()));
        }
      }
    }
    if (out.size() != count) {
      throw new Malformed(
          place
              + " has "
              + out.size()
              + " elements in the contents of "
              + type
              + ", but its shape has "
              + count);
    }
    return out;
  }

  private static ArrayNode ofRaw(String place, Type type, ByteString raw, long count)
      throws Malformed {
    ByteBuffer in = raw.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    if (type.bytes > 0 && count * type.bytes != in.remaining()) {
      throw wrongLength(place, type, raw.size(), count);
    }
    ArrayNode out = MAPPER.createArrayNode();
    for (long i = 0; i < count; i++) {
      switch (type) {
        case BOOL -> out.add(in.get() != 0);
        case UINT8 -> out.add(in.get() & 0xff);
        case UINT16 -> out.add(in.getShort() & 0xffff);
        case UINT32 -> out.add(in.getInt() & 0xffff_ffffL);
        case UINT64 -> out.add(new BigInteger(Long.toUnsignedString(in.getLong())));
        case INT8 -> out.add((int) in.get());
        case INT16 -> out.add((int) in.getShort());
        case INT32 -> out.add(in.getInt());
        case INT64 -> out.add(in.getLong());
        case FP16 -> out.add((float) finite(place, Float.float16ToFloat(in.getShort())));
        case FP32 -> out.add((float) finite(place, in.getFloat()));
        case FP64 -> out.add(finite(place, in.getDouble()));
        case BYTES -> {
          int length = in.remaining() < 4 ? -1 : in.getInt();
          if (length < 0 || length > in.remaining()) {
            throw wrongLength(place, type, raw.size(), count);
          }
          out.add(utf8(place, in.slice(in.position(), length)));
          in.position(in.position() + length);
        }
      }
    }
    if (in.hasRemaining()) {
      throw wrongLength(place, type, raw.size(), count);
    }
    return out;
  }

  private static Malformed wrongLength(String place, Type type, int bytes, long count) {
    return new Malformed(
        place + ": " + bytes + " raw bytes do not hold " + count + " elements of " + type);
  }

  private static double finite(String place, double value) throws Malformed {
    if (!Double.isFinite(value)) {
      throw new Malformed(place + " has a number that is not finite");
    }
    return value;
  }

  private static String utf8(String place, ByteBuffer bytes) throws Malformed {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
    } catch (CharacterCodingException e) {
      throw new Malformed(place + " has BYTES that are no text in UTF-8");
    }
  }

  // ---- tensors in JSON ------------------------------------------------------------------------

  private static List<Long> shape(String place, JsonNode tensor) throws Malformed {
    List<Long> out = new ArrayList<>();
    for (JsonNode size : list(tensor, "shape")) {
      if (!size.isIntegralNumber() || !size.canConvertToLong()) {
        throw new Malformed(place + " has a shape that is no list of sizes");
      }
      out.add(size.longValue());
    }
    return out;
  }

  private static List<JsonNode> elements(String place, JsonNode tensor, Type type, List<Long> shape)
      throws Malformed {
    List<JsonNode> out = new ArrayList<>();
    flatten(place, list(tensor, "data"), type, out);
    long count = count(place, shape);
    if (out.size() != count) {
      throw new Malformed(place + " has " + out.size() + " elements, but its shape has " + count);
    }
    return out;
  }

  private static void flatten(String place, JsonNode data, Type type, List<JsonNode> out)
      throws Malformed {
    for (JsonNode one : data) {
      if (one.isArray()) {
        flatten(place, one, type, out);
      } else if (takes(type, one)) {
        out.add(one);
      } else {
        throw new Malformed(place + " has an element that is no " + type);
      }
    }
  }

  private static boolean takes(Type type, JsonNode value) {
    return switch (type) {
      case BOOL -> value.isBoolean();
      case BYTES -> value.isTextual();
      case FP16, FP32, FP64 -> value.isNumber();
      case INT8, INT16, INT32, INT64 ->
          value.isIntegralNumber() && value.bigIntegerValue().bitLength() < type.bytes * 8;
      case UINT8, UINT16, UINT32, UINT64 ->
          value.isIntegralNumber()
              && value.bigIntegerValue().signum() >= 0
              && value.bigIntegerValue().bitLength() <= type.bytes * 8;
    };
  }

  private static InferTensorContents contents(String place, Type type, List<JsonNode> elements)
      throws Malformed {
    InferTensorContents.Builder out = InferTensorContents.newBuilder();
    for (JsonNode one : elements) {
      switch (type) {
        case BOOL -> out.addBoolContents(one.booleanValue());
        case UINT8, UINT16, UINT32 -> out.addUintContents((int) one.longValue());
        case UINT64 -> out.addUint64Contents(one.bigIntegerValue().longValue());
        case INT8, INT16, INT32 -> out.addIntContents(one.intValue());
        case INT64 -> out.addInt64Contents(one.longValue());
        case FP16 -> throw new Malformed(place + " is FP16, which travels in raw contents only");
        case FP32 -> out.addFp32Contents(one.floatValue());
        case FP64 -> out.addFp64Contents(one.doubleValue());
        case BYTES -> out.addBytesContents(ByteString.copyFromUtf8(one.textValue()));
      }
    }
    return out.build();
  }

  private static ByteString raw(Type type, List<JsonNode> elements) {
    ByteString.Output out = ByteString.newOutput(Math.max(16, elements.size() * type.bytes));
    for (JsonNode one : elements) {
      switch (type) {
        case BOOL -> out.write(one.booleanValue() ? 1 : 0);
        case UINT8, INT8, UINT16, INT16, UINT32, INT32, INT64 ->
            little(out, one.longValue(), type.bytes);
        case UINT64 -> little(out, one.bigIntegerValue().longValue(), 8);
        case FP16 -> little(out, Float.floatToFloat16(one.floatValue()), 2);
        case FP32 -> little(out, Float.floatToRawIntBits(one.floatValue()), 4);
        case FP64 -> little(out, Double.doubleToRawLongBits(one.doubleValue()), 8);
        case BYTES -> {
          byte[] text = one.textValue().getBytes(StandardCharsets.UTF_8);
          little(out, text.length, 4);
          out.write(text, 0, text.length);
        }
      }
    }
    return out.toByteString();
  }

  private static void little(ByteString.Output out, long value, int bytes) {
    for (int i = 0; i < bytes; i++) {
      out.write((int) (value >>> (8 * i)));
    }
  }

  // ---- parameters -----------------------------------------------------------------------------

  private static void parameters(ObjectNode to, Map<String, InferParameter> parameters)
      throws Malformed {
    if (parameters.isEmpty()) {
      return;
    }
    ObjectNode out = to.putObject("parameters");
    for (Map.Entry<String, InferParameter> one : new TreeMap<>(parameters).entrySet()) {
      String name = one.getKey();
      InferParameter value = one.getValue();
      switch (value.getParameterChoiceCase()) {
        case BOOL_PARAM -> out.put(name, value.getBoolParam());
        case INT64_PARAM -> out.put(name, value.getInt64Param());
        case STRING_PARAM -> out.put(name, value.getStringParam());
        case DOUBLE_PARAM -> out.put(name, finite("parameters." + name, value.getDoubleParam()));
        case UINT64_PARAM ->
            out.put(name, new BigInteger(Long.toUnsignedString(value.getUint64Param())));
        case PARAMETERCHOICE_NOT_SET -> out.putNull(name);
      }
    }
  }

  private static Map<String, InferParameter> parameters(JsonNode in) throws Malformed {
    Map<String, InferParameter> out = new TreeMap<>();
    for (Map.Entry<String, JsonNode> one : in.path("parameters").properties()) {
      JsonNode value = one.getValue();
      InferParameter.Builder parameter = InferParameter.newBuilder();
      if (value.isBoolean()) {
        parameter.setBoolParam(value.booleanValue());
      } else if (value.isTextual()) {
        parameter.setStringParam(value.textValue());
      } else if (value.isIntegralNumber() && value.canConvertToLong()) {
        parameter.setInt64Param(value.longValue());
      } else if (takes(Type.UINT64, value)) {
        parameter.setUint64Param(value.bigIntegerValue().longValue());
      } else if (value.isNumber()) {
        parameter.setDoubleParam(value.doubleValue());
      } else if (!value.isNull()) {
        throw new Malformed(
            "parameters." + one.getKey() + " must be a boolean, a number or a string");
      }
      out.put(one.getKey(), parameter.build());
    }
    return out;
  }

  // ---- JSON -----------------------------------------------------------------------------------

  private static JsonNode read(byte[] json) throws Malformed {
    try {
      JsonNode node = MAPPER.readTree(json);
      if (node != null && node.isObject()) {
        return node;
      }
    } catch (IOException e) {
      throw new Malformed("not JSON");
    }
    throw new Malformed("not a JSON object");
  }

  private static String text(JsonNode node, String field) throws Malformed {
    if (!node.path(field).isTextual()) {
      throw new Malformed("'" + field + "' must be a string");
    }
    return node.path(field).textValue();
  }

  private static JsonNode list(JsonNode node, String field) throws Malformed {
    if (!node.path(field).isArray()) {
      throw new Malformed("'" + field + "' must be a list");
    }
    return node.path(field);
  }

  private static byte[] bytes(JsonNode node) {
    try {
      return MAPPER.writeValueAsBytes(node);
    } catch (IOException e) {
      throw new UncheckedIOException("a tree in memory can be written", e);
    }
  }
}
