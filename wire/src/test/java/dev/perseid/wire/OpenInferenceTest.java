package dev.perseid.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors;
import dev.perseid.wire.v1.OpenInferenceProto;
import dev.perseid.wire.v1.OpenInferenceProto.InferParameter;
import dev.perseid.wire.v1.OpenInferenceProto.InferTensorContents;
import dev.perseid.wire.v1.OpenInferenceProto.ModelInferRequest;
import dev.perseid.wire.v1.OpenInferenceProto.ModelInferResponse;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OpenInferenceTest {
  private static final int ROUNDS = 100;

  private static String text(byte[] json) {
    return new String(json, StandardCharsets.UTF_8);
  }

  private static byte[] bytes(String json) {
    return json.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
  }

  private static ModelInferRequest.Builder ask(String datatype, long... shape) {
    ModelInferRequest.Builder out = ModelInferRequest.newBuilder().setModelName("m");
    ModelInferRequest.InferInputTensor.Builder tensor =
        out.addInputsBuilder().setName("x").setDatatype(datatype);
    for (long size : shape) {
      tensor.addShape(size);
    }
    return out;
  }

  /// A random element as JSON writes it.
  private static String element(String datatype, Random random) {
    return switch (datatype) {
      case "BOOL" -> Boolean.toString(random.nextBoolean());
      case "INT8" -> Integer.toString((byte) random.nextInt());
      case "INT16" -> Integer.toString((short) random.nextInt());
      case "INT32" -> Integer.toString(random.nextInt());
      case "INT64" -> Long.toString(random.nextLong());
      case "UINT8" -> Integer.toString(random.nextInt(1 << 8));
      case "UINT16" -> Integer.toString(random.nextInt(1 << 16));
      case "UINT32" -> Long.toString(Integer.toUnsignedLong(random.nextInt()));
      case "UINT64" -> new BigInteger(64, random).toString();
      case "FP16" -> Float.toString(Float.float16ToFloat((short) random.nextInt(0x7c00)));
      case "FP32" -> Float.toString(random.nextFloat() * 1e9f - 5e8f);
      case "FP64" -> Double.toString(random.nextGaussian() * 1e200);
      case "BYTES" -> "\"" + "aé😀 z".repeat(random.nextInt(3)) + "\"";
      default -> throw new IllegalArgumentException(datatype);
    };
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16",
        "FP32", "FP64", "BYTES"
      })
  void everyDatatypeGoesThereAndBack(String datatype) throws Exception {
    long seed = 1_033;
    Random random = new Random(seed);
    for (int round = 0; round < ROUNDS; round++) {
      int rows = random.nextInt(4);
      int columns = 1 + random.nextInt(5);
      List<String> elements = new ArrayList<>();
      for (int i = 0; i < rows * columns; i++) {
        elements.add(element(datatype, random));
      }
      String tensor =
          "[{\"name\":\"x\",\"datatype\":\""
              + datatype
              + "\",\"shape\":["
              + rows
              + ","
              + columns
              + "],\"data\":["
              + String.join(",", elements)
              + "]}]";
      String request = "{\"model\":\"m:1\",\"id\":\"a\",\"inputs\":" + tensor + "}";
      String answer =
          "{\"model_name\":\"m\",\"model_version\":\"1\",\"id\":\"a\",\"outputs\":" + tensor + "}";
      for (boolean raw : new boolean[] {true, false}) {
        if (!raw && datatype.equals("FP16")) {
          continue;
        }
        ModelInferRequest asked = OpenInference.request(bytes(request), raw);
        assertThat(asked.getRawInputContentsCount()).isEqualTo(raw ? 1 : 0);
        assertThat(text(OpenInference.json(ModelInferRequest.parseFrom(asked.toByteString()))))
            .as("seed %d", seed)
            .isEqualTo(request);
        ModelInferResponse said = OpenInference.response(bytes(answer), raw);
        assertThat(said.getRawOutputContentsCount()).isEqualTo(raw ? 1 : 0);
        assertThat(text(OpenInference.json(ModelInferResponse.parseFrom(said.toByteString()))))
            .as("seed %d", seed)
            .isEqualTo(answer);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "BOOL,'[true,false]',0100",
    "INT8,'[1,-2]',01fe",
    "INT16,'[1,-2]',0100feff",
    "INT32,'[1,-2]',01000000feffffff",
    "INT64,'[1,-2]',0100000000000000feffffffffffffff",
    "UINT8,'[1,255]',01ff",
    "UINT16,'[1,65535]',0100ffff",
    "UINT32,'[1,4294967295]',01000000ffffffff",
    "UINT64,'[1,18446744073709551615]',0100000000000000ffffffffffffffff",
    "FP16,'[1.0,-2.0]',003c00c0",
    "FP32,'[1.0,-2.0]',0000803f000000c0",
    "FP64,'[1.0,-2.0]',000000000000f03f00000000000000c0",
    "BYTES,'[\"a\",\"é\"]',010000006102000000c3a9"
  })
  void rawContentsAreLittleEndian(String datatype, String data, String hex) throws Exception {
    ByteString raw = ByteString.copyFrom(HexFormat.of().parseHex(hex));
    ModelInferRequest asked = ask(datatype, 2).addRawInputContents(raw).build();
    String json = text(OpenInference.json(asked));
    assertThat(json).contains("\"data\":" + data);
    assertThat(OpenInference.request(bytes(json), true).getRawInputContents(0)).isEqualTo(raw);
  }

  @Test
  void parametersAndWantedOutputsGoThereAndBack() throws Exception {
    String json =
        "{\"model\":\"m\",\"parameters\":{\"a\":true,\"b\":-7,\"c\":\"x\",\"d\":0.5,\"e\":18446744073709551615},"
            + "\"inputs\":[{\"name\":\"x\",\"datatype\":\"BOOL\",\"shape\":[],\"parameters\":{\"p\":1},\"data\":[true]}],"
            + "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":3}},{\"name\":\"z\"}]}";
    ModelInferRequest asked = OpenInference.request(bytes(json), false);
    assertThat(asked.getParametersOrThrow("e").getParameterChoiceCase())
        .isEqualTo(InferParameter.ParameterChoiceCase.UINT64_PARAM);
    assertThat(text(OpenInference.json(asked))).isEqualTo(json);
  }

  @Test
  void nestedDataIsTaken() throws Exception {
    ModelInferResponse said =
        OpenInference.response(
            bytes(
                "{'model_name':'m','outputs':[{'name':'y','datatype':'FP32','shape':[2,2],'data':[[1,2],[3.5,4]]}]}"),
            false);
    assertThat(said.getOutputs(0).getContents().getFp32ContentsList())
        .containsExactly(1f, 2f, 3.5f, 4f);
  }

  @Test
  void anFp16TensorMakesTheWholeAnswerRaw() throws Exception {
    ModelInferResponse said =
        OpenInference.response(
            bytes(
                "{'model_name':'m','outputs':[{'name':'y','datatype':'FP16','shape':[1],'data':[1]},"
                    + "{'name':'z','datatype':'INT8','shape':[1],'data':[1]}]}"),
            false);
    assertThat(said.getRawOutputContentsCount()).isEqualTo(2);
    assertThat(said.getOutputs(1).hasContents()).isFalse();
  }

  @Test
  void whatIsWrongIsNamed() {
    ByteString one = ByteString.copyFrom(new byte[] {1});
    InferTensorContents big = InferTensorContents.newBuilder().addIntContents(128).build();
    InferTensorContents wide = InferTensorContents.newBuilder().addUintContents(256).build();
    InferTensorContents endless =
        InferTensorContents.newBuilder().addFp32Contents(Float.POSITIVE_INFINITY).build();
    InferTensorContents noText =
        InferTensorContents.newBuilder()
            .addBytesContents(ByteString.copyFrom(new byte[] {-1}))
            .build();
    TreeMap<String, ModelInferRequest> wrong = new TreeMap<>();
    wrong.put("model_name", ask("BOOL", 1).setModelName("").build());
    wrong.put("inputs is empty", ModelInferRequest.newBuilder().setModelName("m").build());
    wrong.put("datatype", ask("FLOAT", 1).build());
    wrong.put(
        "no name",
        ask("BOOL", 0).setInputs(0, ModelInferRequest.InferInputTensor.newBuilder()).build());
    wrong.put("negative size", ask("BOOL", -1).build());
    wrong.put("0 elements", ask("BOOL", 1).build());
    wrong.put(
        "1 raw bytes do not hold 2 elements of BOOL",
        ask("BOOL", 2).addRawInputContents(one).build());
    wrong.put(
        "1 raw bytes do not hold 1 elements of BYTES",
        ask("BYTES", 1).addRawInputContents(one).build());
    wrong.put(
        "2147483647 elements of INT8",
        ask("INT8", Long.MAX_VALUE, 9).addRawInputContents(one).build());
    wrong.put(
        "2 elements for 1 tensors",
        ask("BOOL", 1).addRawInputContents(one).addRawInputContents(one).build());
    wrong.put("128, which is no INT8", with("INT8", big).build());
    wrong.put("256, which is no UINT8", with("UINT8", wide).build());
    wrong.put("not finite", with("FP32", endless).build());
    wrong.put("UTF-8", with("BYTES", noText).build());
    wrong.put("raw contents only", with("FP16", endless).build());
    wrong.put("both contents and raw", with("INT8", big).addRawInputContents(one).build());
    wrong.forEach((what, request) ->
        assertThatThrownBy(() -> OpenInference.json(request))
            .as(what)
            .isInstanceOf(Malformed.class)
            .hasMessageContaining(what));
  }

  private static ModelInferRequest.Builder with(String datatype, InferTensorContents contents) {
    ModelInferRequest.Builder out = ask(datatype, 1);
    out.getInputsBuilder(0).setContents(contents);
    return out;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          nothing                                                                             | not JSON
          []                                                                                  | not a JSON object
          {}                                                                                  | 'outputs'
          {'outputs':[{'datatype':'BOOL','shape':[1],'data':[true]}]}                         | 'name'
          {'outputs':[{'name':'y','datatype':'BOOL','shape':[2],'data':[true]}]}              | 1 elements
          {'outputs':[{'name':'y','datatype':'BOOL','shape':[1],'data':[7]}]}                 | no BOOL
          {'outputs':[{'name':'y','datatype':'INT8','shape':[1],'data':[128]}]}               | no INT8
          {'outputs':[{'name':'y','datatype':'UINT64','shape':[1],'data':[-1]}]}              | no UINT64
          {'outputs':[{'name':'y','datatype':'INT8','shape':['a'],'data':[1]}]}               | shape
          {'outputs':[],'parameters':{'a':[]}}                                                | parameters.a
          """)
  void rubbishIsNoAnswer(String json, String what) {
    assertThatThrownBy(() -> OpenInference.response(bytes(json), false))
        .isInstanceOf(Malformed.class)
        .hasMessageContaining(what);
  }

  /// Clients of other servers were built from these numbers.
  @Test
  void namesAndNumbersAreThePublishedOnes() {
    TreeMap<String, String> numbers = new TreeMap<>();
    Descriptors.FileDescriptor file = OpenInferenceProto.getDescriptor();
    assertThat(file.getPackage()).isEqualTo("inference");
    file.getMessageTypes().forEach(message -> add(message, numbers));
    assertThat(numbers)
        .containsEntry(
            "inference.ModelInferRequest",
            "id=3 inputs=5 model_name=1 model_version=2 outputs=6 parameters=4 raw_input_contents=7")
        .containsEntry(
            "inference.ModelInferRequest.InferInputTensor",
            "contents=5 datatype=2 name=1 parameters=4 shape=3")
        .containsEntry(
            "inference.ModelInferRequest.InferRequestedOutputTensor", "name=1 parameters=2")
        .containsEntry(
            "inference.ModelInferResponse",
            "id=3 model_name=1 model_version=2 outputs=5 parameters=4 raw_output_contents=6")
        .containsEntry(
            "inference.ModelInferResponse.InferOutputTensor",
            "contents=5 datatype=2 name=1 parameters=4 shape=3")
        .containsEntry(
            "inference.InferParameter",
            "bool_param=1 double_param=4 int64_param=2 string_param=3 uint64_param=5")
        .containsEntry(
            "inference.InferTensorContents",
            "bool_contents=1 bytes_contents=8 fp32_contents=6 fp64_contents=7 int64_contents=3 int_contents=2 uint64_contents=5 uint_contents=4")
        .containsEntry(
            "inference.ModelMetadataResponse", "inputs=4 name=1 outputs=5 platform=3 versions=2")
        .containsEntry(
            "inference.ModelMetadataResponse.TensorMetadata", "datatype=2 name=1 shape=3")
        .containsEntry("inference.ServerMetadataResponse", "extensions=3 name=1 version=2")
        .containsEntry("inference.ModelReadyRequest", "name=1 version=2")
        .containsEntry("inference.ModelMetadataRequest", "name=1 version=2")
        .containsEntry("inference.ServerLiveResponse", "live=1")
        .containsEntry("inference.ServerReadyResponse", "ready=1")
        .containsEntry("inference.ModelReadyResponse", "ready=1");
    assertThat(
            file.findServiceByName("GRPCInferenceService").getMethods().stream()
                .map(Descriptors.MethodDescriptor::getName))
        .containsExactlyInAnyOrder(
            "ServerLive",
            "ServerReady",
            "ModelReady",
            "ServerMetadata",
            "ModelMetadata",
            "ModelInfer");
  }

  private static void add(Descriptors.Descriptor message, TreeMap<String, String> numbers) {
    if (!message.getOptions().getMapEntry()) {
      numbers.put(
          message.getFullName(),
          String.join(
              " ",
              message.getFields().stream()
                  .map(field -> field.getName() + "=" + field.getNumber())
                  .sorted()
                  .toList()));
      message.getNestedTypes().forEach(nested -> add(nested, numbers));
    }
  }
}
