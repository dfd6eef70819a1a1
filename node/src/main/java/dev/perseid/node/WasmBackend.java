package dev.perseid.node;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Blob;
import dev.perseid.core.Model;
import dev.perseid.inference.Answer;
import dev.perseid.inference.Api;
import dev.perseid.inference.Backend;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import dev.perseid.sandbox.Execution;
import dev.perseid.sandbox.Input;
import dev.perseid.sandbox.Output;
import dev.perseid.sandbox.Portable;
import dev.perseid.sandbox.RunLimits;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.Verdict;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/// Answers the Open Inference Protocol's `infer` with a portable model: a WebAssembly module of
/// profile 1 (docs/portable-tasks.md) that is run in the sandbox, once for each request.
///
/// The module gets all rows as input 0 (float32, little-endian, row after row) and the number of
/// columns as its arguments (decimal digits), and writes float32 to output 0: equally many for each
/// row. Gas and time are limited, so a model that never ends does no harm.
final class WasmBackend implements Backend {
  private static final JsonMapper JSON =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder().maxNestingDepth(64).build())
                  .build())
          .build();

  /// Numbers of runs of models in the sandbox, below those of leases, which are positive.
  private static final AtomicLong NEXT_RUN = new AtomicLong(-1);

  /// What a request asks for.
  ///
  /// @param input rows as the module gets them
  private record Rows(int rows, int columns, ByteBuffer input, String id) {}

  /// A request that nobody could answer.
  private static final class Unfit extends Exception {
    private static final long serialVersionUID = 1;

    /// The field that is wrong.
    final String param;

    Unfit(String param, String message) {
      super(message, null, false, false);
      this.param = param;
    }
  }

  private final Sandbox sandbox;
  private final Model model;
  private final Path module;
  private final Blob blob;
  private final Path scratch;
  private final long memoryBytes;
  private final int parallel;
  private final AtomicInteger running = new AtomicInteger();
  private final AtomicBoolean closed = new AtomicBoolean();

  /// @param module the model's one file, verified
  /// @param blob its hash and size
  /// @param scratch folder for large inputs
  /// @param memoryBytes what one run may use
  /// @param parallel requests that run at once
  WasmBackend(
      Sandbox sandbox,
      Model model,
      Path module,
      Blob blob,
      Path scratch,
      long memoryBytes,
      int parallel) {
    this.sandbox = sandbox;
    this.model = model;
    this.module = module;
    this.blob = blob;
    this.scratch = scratch;
    this.memoryBytes = memoryBytes;
    this.parallel = parallel;
  }

  @Override
  public Runnable ask(Request request, Answer answer) {
    Rows rows;
    Input input;
    try {
      if (request.api() != Api.INFER) {
        throw new Unfit("model", "a portable model answers infer, not " + request.api().word());
      }
      rows = rows(request.body());
      input = input(rows.input().array());
    } catch (Unfit e) {
      answer.failed(
          new Failure(
              Failure.Kind.INVALID,
              String.valueOf(e.getMessage()),
              e.param,
              "",
              OptionalLong.empty()),
          Claim.NONE);
      return () -> {};
    } catch (IOException e) {
      answer.failed(
          new Failure(Failure.Kind.BROKEN, "the input could not be written to disk: " + e),
          Claim.NONE);
      return () -> {};
    }
    long run = NEXT_RUN.getAndDecrement();
    Portable task =
        new Portable(
            run,
            "model " + model.manifest(),
            module,
            blob.hash().bytes(),
            Integer.toString(rows.columns()).getBytes(StandardCharsets.US_ASCII),
            java.util.List.of(input),
            1,
            new RunLimits(
                ServingLimits.WASM_GAS,
                memoryBytes,
                ServingLimits.WASM_OUTPUT_BYTES,
                ServingLimits.WASM_WALL_MS));
    running.incrementAndGet();
    var _ =
        sandbox
            .run(task)
            .whenComplete((execution, bug) -> {
              running.decrementAndGet();
              discard(input);
              if (execution == null) {
                answer.failed(
                    new Failure(Failure.Kind.BROKEN, "the sandbox failed: " + bug), Claim.NONE);
              } else {
                tell(execution, rows, answer);
              }
            });
    return () -> sandbox.cancel(run);
  }

  private void tell(Execution execution, Rows rows, Answer answer) {
    dev.perseid.sandbox.Usage used = execution.usage();
    Claim nothing = claim(0, used);
    switch (execution.verdict()) {
      case Verdict.Done _ -> {
        byte[] json;
        try {
          json = answer(rows, bytes(execution.outputs().getFirst()), used.gas());
        } catch (IOException e) {
          answer.failed(new Failure(Failure.Kind.BROKEN, String.valueOf(e.getMessage())), nothing);
          return;
        }
        answer.part(json);
        answer.done(claim(rows.rows(), used));
      }
      case Verdict.Failed(Verdict.Kind kind, String message) -> {
        Failure.Kind what =
            switch (kind.fault()) {
              case TASK -> Failure.Kind.INVALID;
              case PROVIDER -> Failure.Kind.BROKEN;
              case NOBODY -> Failure.Kind.CANCELLED;
            };
        answer.failed(
            new Failure(
                what,
                "the model ended with " + kind + ": " + message,
                "",
                kind.name().toLowerCase(java.util.Locale.ROOT),
                OptionalLong.empty()),
            nothing);
      }
    }
  }

  private static Claim claim(long rows, dev.perseid.sandbox.Usage used) {
    return new Claim(
        0, 0, 0, rows, used.cpuNs(), OptionalLong.empty(), OptionalLong.empty(), "", used.gas());
  }

  /// Small inputs travel in memory, large ones as files.
  private Input input(byte[] bytes) throws IOException {
    if (bytes.length <= ProviderLimits.INLINE_INPUT_BYTES) {
      return new Input.Inline(bytes);
    }
    Files.createDirectories(scratch);
    Path file = Files.createTempFile(scratch, "rows", ".f32");
    Files.write(file, bytes);
    return new Input.File(file, bytes.length);
  }

  private static void discard(Input input) {
    if (input instanceof Input.File f) {
      try {
        Files.deleteIfExists(f.path());
      } catch (IOException e) {
        // The scratch folder is emptied at the next start.
      }
    }
  }

  private static byte[] bytes(Output output) throws IOException {
    return switch (output) {
      case Output.Inline o -> o.bytes();
      case Output.File f -> {
        try {
          yield Files.readAllBytes(f.path());
        } finally {
          Files.deleteIfExists(f.path());
        }
      }
    };
  }

  private static Rows rows(byte[] body) throws Unfit {
    JsonNode root;
    try {
      root = JSON.readTree(body);
    } catch (IOException e) {
      throw new Unfit("", "the body is no JSON");
    }
    JsonNode inputs = root.path("inputs");
    if (!inputs.isArray() || inputs.size() != 1) {
      throw new Unfit("inputs", "a portable model takes one input tensor: rows of numbers");
    }
    JsonNode tensor = inputs.get(0);
    String type = tensor.path("datatype").asText("");
    if (!type.matches("FP64|FP32|FP16|U?INT(8|16|32|64)|BOOL")) {
      throw new Unfit("inputs[0].datatype", "'" + cut(type) + "' is no type of numbers: use FP32");
    }
    JsonNode shape = tensor.path("shape");
    boolean flat = shape.isArray() && shape.size() == 1;
    long rows = flat ? 1 : shape.path(0).asLong(-1);
    long columns = flat ? shape.path(0).asLong(-1) : shape.path(1).asLong(-1);
    if (!shape.isArray() || shape.size() < 1 || shape.size() > 2 || rows < 1 || columns < 1) {
      throw new Unfit("inputs[0].shape", "the shape must be [rows, columns], each 1 or more");
    }
    if (rows > ServingLimits.WASM_ROWS || columns > ServingLimits.WASM_INPUT_BYTES / 4 / rows) {
      throw new Unfit(
          "inputs[0].shape",
          rows
              + " rows of "
              + columns
              + " columns are too many: at most "
              + ServingLimits.WASM_ROWS
              + " rows and "
              + ServingLimits.WASM_INPUT_BYTES
              + " bytes");
    }
    int count = (int) (rows * columns);
    ByteBuffer numbers = ByteBuffer.allocate(4 * count).order(ByteOrder.LITTLE_ENDIAN);
    fill(tensor.path("data"), numbers);
    if (numbers.hasRemaining()) {
      throw new Unfit(
          "inputs[0].data",
          "there are " + numbers.position() / 4 + " numbers; the shape says " + count);
    }
    return new Rows((int) rows, (int) columns, numbers, root.path("id").asText(""));
  }

  /// Flat or nested lists, row by row.
  private static void fill(JsonNode data, ByteBuffer numbers) throws Unfit {
    if (!data.isArray()) {
      throw new Unfit("inputs[0].data", "the data must be a list of numbers");
    }
    for (JsonNode item : data) {
      if (item.isArray()) {
        fill(item, numbers);
      } else if (!item.isNumber() && !item.isBoolean()) {
        throw new Unfit("inputs[0].data", "'" + cut(item.asText("")) + "' is no number");
      } else if (!numbers.hasRemaining()) {
        throw new Unfit("inputs[0].data", "there are more numbers than the shape says");
      } else {
        numbers.putFloat(
            item.isBoolean() ? (item.booleanValue() ? 1 : 0) : (float) item.doubleValue());
      }
    }
  }

  private static String cut(String text) {
    return text.substring(0, Math.min(text.length(), 40));
  }

  private byte[] answer(Rows rows, byte[] output, OptionalLong gas) throws IOException {
    if (output.length == 0 || output.length % (4 * rows.rows()) != 0) {
      throw new IOException(
          "the model answered with "
              + output.length
              + " bytes for "
              + rows.rows()
              + " rows; it must be the same number of float32 for each");
    }
    int columns = output.length / 4 / rows.rows();
    ObjectNode root = JSON.createObjectNode();
    root.put("model_name", model.name());
    root.put("model_version", model.version());
    if (!rows.id().isEmpty()) {
      root.put("id", rows.id());
    }
    gas.ifPresent(g -> root.putObject("parameters").put("gas", g));
    ObjectNode tensor = root.putArray("outputs").addObject();
    tensor.put("name", "output");
    tensor.put("datatype", "FP32");
    tensor.putArray("shape").add(rows.rows()).add(columns);
    ArrayNode data = tensor.putArray("data");
    ByteBuffer numbers = ByteBuffer.wrap(output).order(ByteOrder.LITTLE_ENDIAN);
    while (numbers.hasRemaining()) {
      float number = numbers.getFloat();
      if (!Float.isFinite(number)) {
        throw new IOException("the model answered with a number that JSON has no word for");
      }
      data.add(number);
    }
    try {
      return JSON.writeValueAsBytes(root);
    } catch (JsonProcessingException e) {
      throw new AssertionError("a tree can be written", e);
    }
  }

  @Override
  public Health health() {
    boolean open = !closed.get();
    return new Health(open, parallel, running.get(), 0, open ? "" : "it is closed");
  }

  @Override
  public String name() {
    return "perseid-wasm";
  }

  /// None: the tensor is all that the module gets.
  @Override
  public Optional<NavigableSet<String>> honours() {
    return Optional.of(Collections.emptyNavigableSet());
  }

  /// Ends nothing: the sandbox is the node's.
  @Override
  public void close() {
    closed.set(true);
  }
}
