package dev.perseid.inference;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtProvider;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// An ONNX model in this process, by ONNX Runtime: predictive models over the Open Inference
/// Protocol ([Api#INFER]), and, with a tokenizer, embeddings ([Api#EMBEDDING]).
///
/// ONNX Runtime is native code. It runs with all rights of the process, so only run a model that
/// the provider has chosen and trusts: nothing here contains a model that is made to break it.
///
/// A fixed number of threads answers; a bounded queue waits; what comes beyond is `BUSY`.
public final class OnnxBackend implements Backend {
  /// Texts of one embedding request.
  static final int TEXTS = 2_048;

  /// Texts that go through the model at once.
  static final int TEXTS_AT_ONCE = 32;

  /// Characters of one text: a bound on the work before tokens can be counted.
  static final int TEXT_CHARACTERS = 1 << 20;

  /// Bytes of a request.
  static final int BODY_BYTES = 64 << 20;

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  /// One request in the queue or at work.
  private final class Job implements Runnable {
    final Request request;
    final Answer answer;
    final AtomicBoolean over = new AtomicBoolean();
    private OrtSession.@Nullable RunOptions options;

    Job(Request request, Answer answer) {
      this.request = request;
      this.answer = answer;
    }

    /// Cancels it.
    @Override
    public void run() {
      fail(new Failure(Failure.Kind.CANCELLED, "The request was cancelled."));
      queue.remove(this);
      synchronized (this) {
        OrtSession.RunOptions at = options;
        if (at != null) {
          try {
            at.setTerminate(true);
          } catch (OrtException e) {
            // It goes on to its end, and nobody listens.
            return;
          }
        }
      }
    }

    OrtSession.Result model(Map<String, OnnxTensor> inputs, Set<String> outputs)
        throws OrtException {
      try (OrtSession.RunOptions fresh = new OrtSession.RunOptions()) {
        synchronized (this) {
          options = fresh;
          if (over.get()) {
            fresh.setTerminate(true);
          }
        }
        try {
          return session.run(inputs, outputs, fresh);
        } finally {
          synchronized (this) {
            options = null;
          }
        }
      }
    }

    void fail(Failure failure) {
      if (over.compareAndSet(false, true)) {
        answer.failed(failure, Claim.NONE);
      }
    }

    void done(byte[] json, Claim claim) {
      if (over.compareAndSet(false, true)) {
        answer.part(json);
        answer.done(claim);
      }
    }
  }

  private final OnnxSettings settings;
  private final OrtEnvironment environment;
  private final OrtSession session;
  private final ModelSignature signature;
  private final Optional<HuggingFaceTokens> tokens;
  private final String name;
  private final BlockingQueue<Job> queue;
  private final List<Thread> workers = new ArrayList<>();
  private final AtomicInteger running = new AtomicInteger();
  private volatile boolean closed;

  /// Loads a model and starts its threads.
  ///
  /// @param model the file
  /// @param tokens its tokenizer, if it makes embeddings
  /// @throws BrokenModelException if it cannot be read, is damaged, or takes or gives what JSON or
  ///   the runtime's Java interface cannot hold
  public static OnnxBackend load(
      Path model, Optional<HuggingFaceTokens> tokens, OnnxSettings settings)
      throws BrokenModelException {
    if (!Files.isReadable(model)) {
      throw new BrokenModelException("the model " + model + " cannot be read");
    }
    OrtEnvironment environment = environment();
    String device = "cpu";
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      options.setIntraOpNumThreads(settings.threadsEach());
      options.setInterOpNumThreads(1);
      options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL);
      if (settings.cuda()) {
        if (OrtEnvironment.getAvailableProviders().contains(OrtProvider.CUDA)) {
          options.addCUDA(0);
          device = "cuda";
        } else {
          device = "cpu; this runtime has no cuda";
        }
      }
      OrtSession session = environment.createSession(model.toString(), options);
      try {
        ModelSignature signature = signature(model, session);
        if (tokens.isPresent()) {
          forTokens(model, signature);
        }
        return new OnnxBackend(
            settings,
            environment,
            session,
            signature,
            tokens,
            "onnxruntime " + environment.getVersion() + " (" + device + ")");
      } catch (BrokenModelException e) {
        session.close();
        throw e;
      }
    } catch (OrtException e) {
      throw new BrokenModelException(
          "the model " + model + " cannot be loaded: " + firstLine(e.getMessage()), e);
    }
  }

  private static void forTokens(Path model, ModelSignature signature) throws BrokenModelException {
    if (signature.input("input_ids").isEmpty()) {
      throw new BrokenModelException(
          "the model " + model + " has a tokenizer, but no input 'input_ids' for its tokens");
    }
    for (ModelSignature.Tensor input : signature.inputs()) {
      if (!Set.of("input_ids", "attention_mask", "token_type_ids").contains(input.name())
          || !input.datatype().equals("INT64")
          || input.shape().size() != 2) {
        throw new BrokenModelException(
            "the model "
                + model
                + " wants input '"
                + input.name()
                + "'; a model of texts takes input_ids, attention_mask and token_type_ids, all"
                + " INT64 of two dimensions");
      }
    }
  }

  private static String firstLine(@Nullable String message) {
    return message == null ? "no reason is given" : message.lines().findFirst().orElse("").strip();
  }

  private static ModelSignature signature(Path model, OrtSession session)
      throws BrokenModelException, OrtException {
    List<ModelSignature.Tensor> inputs = new ArrayList<>();
    for (NodeInfo node : session.getInputInfo().values()) {
      inputs.add(
          tensor(node)
              .orElseThrow(() ->
                  new BrokenModelException(
                      "the model "
                          + model
                          + " wants input '"
                          + node.getName()
                          + "', which is no tensor that can be written in JSON: export it with"
                          + " another datatype")));
    }
    List<ModelSignature.Tensor> outputs = new ArrayList<>();
    for (NodeInfo node : session.getOutputInfo().values()) {
      // A classifier may also give maps; its tensors say the same.
      tensor(node).ifPresent(outputs::add);
    }
    if (inputs.isEmpty() || outputs.isEmpty()) {
      throw new BrokenModelException(
          "the model " + model + " takes or gives no tensors that can be written in JSON");
    }
    return new ModelSignature(inputs, outputs);
  }

  private static Optional<ModelSignature.Tensor> tensor(NodeInfo node) {
    if (!(node.getInfo() instanceof TensorInfo info)) {
      return Optional.empty();
    }
    List<Long> shape = new ArrayList<>();
    for (long d : info.getShape()) {
      shape.add(d < 0 ? -1 : d);
    }
    return OnnxTensors.datatype(info)
        .map(type -> new ModelSignature.Tensor(node.getName(), type, List.copyOf(shape)));
  }

  private OnnxBackend(
      OnnxSettings settings,
      OrtEnvironment environment,
      OrtSession session,
      ModelSignature signature,
      Optional<HuggingFaceTokens> tokens,
      String name) {
    this.settings = settings;
    this.environment = environment;
    this.session = session;
    this.signature = signature;
    this.tokens = tokens;
    this.name = name;
    this.queue = new ArrayBlockingQueue<>(settings.queue());
    for (int i = 0; i < settings.threads(); i++) {
      workers.add(Thread.ofPlatform().daemon().name("onnx-" + i).start(this::work));
    }
  }

  /// What the model takes and gives.
  public ModelSignature signature() {
    return signature;
  }

  /// The process's one environment of ONNX Runtime. Making it recurses once for each character of
  /// something as long as the process's command line (1.29.0): with a long class path that is more
  /// than a usual thread's stack, and ends the process without a word. So it is made on a thread
  /// with a stack that is large enough for any command line that Linux allows.
  private static OrtEnvironment environment() {
    FutureTask<OrtEnvironment> made =
        new FutureTask<>(() ->
            OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL, "perseid"));
    Thread thread =
        new Thread(null, made, "onnx-environment", BackendLimits.ENVIRONMENT_STACK_BYTES);
    thread.setDaemon(true);
    thread.start();
    try {
      return made.get();
    } catch (ExecutionException e) {
      throw new IllegalStateException("ONNX Runtime cannot be started", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while ONNX Runtime was being started", e);
    }
  }

  @Override
  public Runnable ask(Request request, Answer answer) {
    Job job = new Job(request, answer);
    if (closed) {
      job.fail(new Failure(Failure.Kind.BROKEN, "The backend is closed."));
    } else if (!queue.offer(job)) {
      job.fail(
          new Failure(
              Failure.Kind.BUSY,
              "The model already has " + settings.queue() + " requests waiting.",
              "",
              "",
              OptionalLong.of(1_000)));
    } else if (closed && queue.remove(job)) {
      job.fail(new Failure(Failure.Kind.BROKEN, "The backend is closed."));
    }
    return job;
  }

  private void work() {
    while (!closed) {
      Job job;
      try {
        job = queue.take();
      } catch (InterruptedException e) {
        return;
      }
      running.incrementAndGet();
      try {
        if (!job.over.get()) {
          answer(job);
        }
      } finally {
        running.decrementAndGet();
      }
    }
  }

  private void answer(Job job) {
    long began = THREADS.getCurrentThreadCpuTime();
    try {
      if (job.request.body().length > BODY_BYTES) {
        throw RefusedRequest.invalid("", "A request has at most " + BODY_BYTES + " bytes.");
      }
      JsonNode body = JsonBytes.MAPPER.readTree(job.request.body());
      if (body == null || !body.isObject()) {
        throw RefusedRequest.invalid("", "The request's body is not a JSON object.");
      }
      switch (job.request.api()) {
        case INFER -> infer(job, body, began);
        case EMBEDDING -> embed(job, body, began);
        case CHAT, COMPLETION ->
            throw RefusedRequest.invalid(
                "model",
                tokens.isPresent()
                    ? "This model makes embeddings and does not chat."
                    : "This model answers the Open Inference Protocol and does not chat.");
      }
    } catch (RefusedRequest e) {
      job.fail(e.failure());
    } catch (IOException e) {
      job.fail(new Failure(Failure.Kind.INVALID, "The request's body is not valid JSON."));
    } catch (OrtException e) {
      boolean wrong = e.getCode() == OrtException.OrtErrorCode.ORT_INVALID_ARGUMENT;
      job.fail(
          new Failure(
              wrong ? Failure.Kind.INVALID : Failure.Kind.BROKEN,
              "The model could not be run: " + firstLine(e.getMessage())));
    } catch (RuntimeException e) {
      // A bug must not take a worker with it, and the consumer must hear an end.
      job.fail(new Failure(Failure.Kind.BROKEN, "The model's backend failed."));
      throw e;
    }
  }

  private Claim claim(long prompt, long rows, long began) {
    // Only when the runtime has no threads of its own is this thread's time all of it.
    OptionalLong cpu =
        settings.threadsEach() == 1 && name.endsWith("(cpu)")
            ? OptionalLong.of(THREADS.getCurrentThreadCpuTime() - began)
            : OptionalLong.empty();
    return new Claim(
        prompt,
        0,
        0,
        rows,
        cpu,
        OptionalLong.empty(),
        OptionalLong.empty(),
        "",
        OptionalLong.empty());
  }

  private void infer(Job job, JsonNode body, long began)
      throws RefusedRequest, OrtException, IOException {
    JsonNode inputs = body.path("inputs");
    if (!inputs.isArray() || inputs.isEmpty() || inputs.size() > signature.inputs().size()) {
      throw RefusedRequest.invalid(
          "inputs",
          "The model takes "
              + signature.inputs().size()
              + " input(s): "
              + names(signature.inputs())
              + ".");
    }
    Set<String> wanted = outputs(body.path("outputs"));
    Map<String, OnnxTensor> tensors = new LinkedHashMap<>();
    try {
      for (int i = 0; i < inputs.size(); i++) {
        String at = "inputs." + i;
        String input = inputs.get(i).path("name").asText();
        Optional<ModelSignature.Tensor> known = signature.input(input);
        if (known.isEmpty()) {
          throw RefusedRequest.invalid(
              at + ".name",
              "The model has no input '" + input + "'; it has: " + names(signature.inputs()) + ".");
        }
        if (tensors.containsKey(input)) {
          throw RefusedRequest.invalid(at + ".name", "Input '" + input + "' comes twice.");
        }
        tensors.put(input, OnnxTensors.read(environment, known.get(), inputs.get(i), at));
      }
      for (ModelSignature.Tensor needed : signature.inputs()) {
        if (!tensors.containsKey(needed.name())) {
          throw RefusedRequest.invalid("inputs", "Input '" + needed.name() + "' is missing.");
        }
      }
      long[] first = tensors.values().iterator().next().getInfo().getShape();
      long rows = first.length == 0 ? 1 : first[0];
      try (OrtSession.Result result = job.model(tensors, wanted)) {
        job.done(inferred(body, result, wanted), claim(0, rows, began));
      }
    } finally {
      tensors.values().forEach(OnnxTensor::close);
    }
  }

  private Set<String> outputs(JsonNode list) throws RefusedRequest {
    Set<String> wanted = new LinkedHashSet<>();
    int at = 0;
    for (JsonNode output : list) {
      String asked = output.path("name").asText();
      if (signature.output(asked).isEmpty()) {
        throw RefusedRequest.invalid(
            "outputs." + at + ".name",
            "The model has no output '" + asked + "'; it has: " + names(signature.outputs()) + ".");
      }
      wanted.add(asked);
      at++;
    }
    if (wanted.isEmpty()) {
      signature.outputs().forEach(t -> wanted.add(t.name()));
    }
    return wanted;
  }

  private static String names(List<ModelSignature.Tensor> tensors) {
    return String.join(", ", tensors.stream().map(ModelSignature.Tensor::name).toList());
  }

  private byte[] inferred(JsonNode body, OrtSession.Result result, Set<String> wanted)
      throws IOException, OrtException, RefusedRequest {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator out = JsonBytes.FACTORY.createGenerator(bytes)) {
      out.writeStartObject();
      out.writeStringField("model_name", settings.name());
      out.writeStringField("model_version", settings.version());
      if (body.path("id").isTextual()) {
        out.writeStringField("id", body.path("id").asText());
      }
      out.writeArrayFieldStart("outputs");
      for (String output : wanted) {
        String datatype =
            signature.output(output).map(ModelSignature.Tensor::datatype).orElseThrow();
        OnnxTensors.write(out, output, datatype, tensor(result, output));
      }
      out.writeEndArray();
      out.writeEndObject();
    }
    return bytes.toByteArray();
  }

  private static OnnxTensor tensor(OrtSession.Result result, String output) throws RefusedRequest {
    OnnxValue value = result.get(output).orElse(null);
    if (value instanceof OnnxTensor tensor) {
      return tensor;
    }
    throw RefusedRequest.broken("The model gave no tensor '" + output + "'.");
  }

  private void embed(Job job, JsonNode body, long began)
      throws RefusedRequest, OrtException, IOException {
    if (tokens.isEmpty()) {
      throw RefusedRequest.invalid(
          "model", "This model answers the Open Inference Protocol and makes no embeddings.");
    }
    List<int[]> texts = texts(body.path("input"), tokens.get());
    int dimensions = 0;
    if (body.has("dimensions") && !body.path("dimensions").isNull()) {
      dimensions = body.path("dimensions").asInt(0);
      if (dimensions < 1) {
        throw RefusedRequest.invalid("dimensions", "'dimensions' must be at least 1.");
      }
    }
    long prompt = 0;
    List<float[]> vectors = new ArrayList<>();
    for (int from = 0; from < texts.size(); from += TEXTS_AT_ONCE) {
      if (job.over.get()) {
        return;
      }
      List<int[]> some = texts.subList(from, Math.min(texts.size(), from + TEXTS_AT_ONCE));
      vectors.addAll(vectors(job, some, dimensions));
      for (int[] text : some) {
        prompt += text.length;
      }
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator out = JsonBytes.FACTORY.createGenerator(bytes)) {
      out.writeStartObject();
      out.writeStringField("object", "list");
      out.writeArrayFieldStart("data");
      for (int i = 0; i < vectors.size(); i++) {
        out.writeStartObject();
        out.writeStringField("object", "embedding");
        out.writeNumberField("index", i);
        out.writeArrayFieldStart("embedding");
        for (float x : vectors.get(i)) {
          out.writeNumber(x);
        }
        out.writeEndArray();
        out.writeEndObject();
      }
      out.writeEndArray();
      out.writeStringField("model", body.path("model").asText(settings.name()));
      out.writeObjectFieldStart("usage");
      out.writeNumberField("prompt_tokens", prompt);
      out.writeNumberField("total_tokens", prompt);
      out.writeEndObject();
      out.writeEndObject();
    }
    job.done(bytes.toByteArray(), claim(prompt, texts.size(), began));
  }

  private List<int[]> texts(JsonNode input, HuggingFaceTokens known) throws RefusedRequest {
    List<int[]> texts = new ArrayList<>();
    boolean one =
        input.isTextual() || (input.isArray() && !input.isEmpty() && input.get(0).isNumber());
    if (!one && (!input.isArray() || input.isEmpty() || input.size() > TEXTS)) {
      throw RefusedRequest.invalid(
          "input", "'input' must be a text or a list of 1 to " + TEXTS + " texts or token lists.");
    }
    int count = one ? 1 : input.size();
    for (int i = 0; i < count; i++) {
      JsonNode text = one ? input : input.get(i);
      String at = one ? "input" : "input." + i;
      int[] ids = text.isTextual() ? words(text.asText(), known, at) : numbers(text, known, at);
      if (ids.length == 0) {
        throw RefusedRequest.invalid(at, "A text to embed must not be empty.");
      }
      if (ids.length > settings.textTokens()) {
        throw RefusedRequest.tooLong(
            at,
            "The text has %d tokens; the model takes %d."
                .formatted(ids.length, settings.textTokens()));
      }
      texts.add(ids);
    }
    return texts;
  }

  private int[] words(String text, HuggingFaceTokens known, String at) throws RefusedRequest {
    if (text.length() > TEXT_CHARACTERS) {
      throw RefusedRequest.tooLong(
          at, "The text is longer than " + TEXT_CHARACTERS + " characters.");
    }
    return known.encode(text);
  }

  private static int[] numbers(JsonNode list, HuggingFaceTokens known, String at)
      throws RefusedRequest {
    if (!list.isArray()) {
      throw RefusedRequest.invalid(at, "A text to embed is a string or a list of tokens.");
    }
    int[] ids = new int[list.size()];
    for (int i = 0; i < ids.length; i++) {
      JsonNode id = list.get(i);
      if (!id.isIntegralNumber()
          || !id.canConvertToInt()
          || id.asInt() < 0
          || id.asInt() >= known.size()) {
        throw RefusedRequest.invalid(at, "Token " + i + " is none of the model's.");
      }
      ids[i] = id.asInt();
    }
    return ids;
  }

  private List<float[]> vectors(Job job, List<int[]> texts, int dimensions)
      throws OrtException, RefusedRequest {
    int length = texts.stream().mapToInt(t -> t.length).max().orElseThrow();
    long[] ids = new long[texts.size() * length];
    long[] mask = new long[ids.length];
    for (int row = 0; row < texts.size(); row++) {
      int[] text = texts.get(row);
      for (int i = 0; i < text.length; i++) {
        ids[row * length + i] = text[i];
        mask[row * length + i] = 1;
      }
    }
    long[] shape = {texts.size(), length};
    Map<String, OnnxTensor> inputs = new LinkedHashMap<>();
    try {
      for (ModelSignature.Tensor wanted : signature.inputs()) {
        long[] values =
            switch (wanted.name()) {
              case "input_ids" -> ids;
              case "attention_mask" -> mask;
              default -> new long[ids.length];
            };
        inputs.put(
            wanted.name(), OnnxTensor.createTensor(environment, LongBuffer.wrap(values), shape));
      }
      String output =
          signature.output("sentence_embedding").isPresent()
              ? "sentence_embedding"
              : signature.output("last_hidden_state").isPresent()
                  ? "last_hidden_state"
                  : signature.outputs().getFirst().name();
      try (OrtSession.Result result = job.model(inputs, Set.of(output))) {
        return pooled(tensor(result, output), texts, length, dimensions);
      }
    } finally {
      inputs.values().forEach(OnnxTensor::close);
    }
  }

  private static List<float[]> pooled(
      OnnxTensor tensor, List<int[]> texts, int length, int dimensions) throws RefusedRequest {
    long[] shape = tensor.getInfo().getShape();
    boolean each = shape.length == 3;
    int size = (int) shape[shape.length - 1];
    if (shape[0] != texts.size()
        || (each ? shape[1] != length : shape.length != 2)
        || size < 1
        || !tensor.getInfo().type.equals(ai.onnxruntime.OnnxJavaType.FLOAT)) {
      throw RefusedRequest.broken("The model does not give one vector for each text.");
    }
    if (dimensions > size) {
      throw RefusedRequest.invalid("dimensions", "The model's vectors have " + size + " numbers.");
    }
    FloatBuffer numbers = tensor.getFloatBuffer();
    List<float[]> vectors = new ArrayList<>();
    for (int row = 0; row < texts.size(); row++) {
      float[] vector = new float[dimensions == 0 ? size : dimensions];
      double square = 0;
      // Scaling all by the number of tokens would not change the direction: sums will do.
      int steps = each ? texts.get(row).length : 1;
      for (int j = 0; j < vector.length; j++) {
        double sum = 0;
        for (int t = 0; t < steps; t++) {
          sum += numbers.get((each ? (row * length + t) : row) * size + j);
        }
        vector[j] = (float) (sum / steps);
        square += (double) vector[j] * vector[j];
      }
      double norm = Math.sqrt(square);
      if (!Double.isFinite(norm)) {
        throw RefusedRequest.broken("The model's answer has a number that is not finite.");
      }
      for (int j = 0; j < vector.length && norm > 0; j++) {
        vector[j] = (float) (vector[j] / norm);
      }
      vectors.add(vector);
    }
    return vectors;
  }

  @Override
  public Health health() {
    return new Health(
        !closed,
        settings.threads(),
        running.get(),
        queue.size(),
        closed ? "The backend is closed." : "");
  }

  /// `onnxruntime`, its version and where it runs.
  @Override
  public Optional<NavigableSet<String>> honours() {
    return Optional.of(
        tokens.isPresent() ? Parameters.OF_EMBEDDINGS : Collections.emptyNavigableSet());
  }

  @Override
  public String name() {
    return name;
  }

  /// Ends what waits with `BROKEN` and returns when what is at work has ended.
  @Override
  public void close() {
    synchronized (this) {
      if (closed) {
        return;
      }
      closed = true;
    }
    for (Job job = queue.poll(); job != null; job = queue.poll()) {
      job.fail(new Failure(Failure.Kind.BROKEN, "The backend is closed."));
    }
    for (Thread worker : workers) {
      worker.interrupt();
    }
    boolean interrupted = false;
    for (Thread worker : workers) {
      if (worker.equals(Thread.currentThread())) {
        // Closed by a listener: this thread ends when it returns.
        continue;
      }
      try {
        worker.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    try {
      session.close();
    } catch (OrtException e) {
      // There is nothing left to do about it.
      interrupted |= Thread.currentThread().isInterrupted();
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
