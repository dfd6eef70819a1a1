package dev.perseid.node;

import dev.perseid.core.Blob;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.Backend;
import dev.perseid.inference.BrokenModelException;
import dev.perseid.inference.HttpBackend;
import dev.perseid.inference.HttpSettings;
import dev.perseid.inference.HuggingFaceTokens;
import dev.perseid.inference.LanguageModel;
import dev.perseid.inference.ModelFileException;
import dev.perseid.inference.OnnxBackend;
import dev.perseid.inference.OnnxSettings;
import dev.perseid.sandbox.Sandbox;
import io.netty.channel.EventLoopGroup;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Makes the backends of a provider's models: fetches their files, or finds the server that has
/// them. One thread at a time, but [#close] from any.
final class Workshop implements BackendMaker {
  /// Is there where a graphics card of NVIDIA is.
  private static final Path NVIDIA = Path.of("/dev/nvidia0");

  private final Path directory;
  private final int cores;
  private final long wasmMemoryBytes;
  private final long kvBytes;
  private final Sandbox sandbox;
  private final ModelShelf shelf;
  private @Nullable EventLoopGroup loops;
  private boolean closed;

  Workshop(
      ProviderConfig config, Sandbox sandbox, ProviderTransfer transfer, Consumer<String> notices) {
    this.directory = config.directory();
    this.cores = config.lent().cores();
    this.wasmMemoryBytes = Math.min(ServingLimits.WASM_MEMORY_BYTES, config.lent().memoryBytes());
    this.kvBytes =
        Math.clamp(
            config.lent().memoryBytes() / 4,
            ServingLimits.GGUF_MEMORY_BYTES,
            ServingLimits.GGUF_MEMORY_MOST_BYTES);
    this.sandbox = sandbox;
    this.shelf = new ModelShelf(directory.resolve("models"), transfer, notices);
  }

  @Override
  public Backend make(ServedModel served, Model model) throws ModelUnusable, InterruptedException {
    return switch (served.source()) {
      case ServedModel.Source.Server server -> server(served, server, model);
      case ServedModel.Source.Local(Path path) -> open(served, model, shelf.lend(model, path));
      case ServedModel.Source.Published _ -> {
        if (model.format().equals("api")) {
          throw new ModelUnusable(
              "its files are not published: name the server that has it, "
                  + served.model()
                  + "=http://HOST:PORT/v1");
        }
        yield open(served, model, shelf.take(model));
      }
    };
  }

  private Backend server(ServedModel served, ServedModel.Source.Server server, Model model)
      throws ModelUnusable, InterruptedException {
    try {
      HttpSettings settings = HttpSettings.of(server.url(), server.upstream().orElse(model.name()));
      if (server.keyFile().isPresent()) {
        settings = settings.withKey(key(server.keyFile().get()));
      }
      OptionalInt parallel = served.parallel();
      if (parallel.isPresent()) {
        settings = settings.withParallel(parallel.getAsInt(), parallel.getAsInt());
      }
      HttpBackend backend = new HttpBackend(settings, loops());
      try {
        // What it can do at once goes into the offer.
        backend.awaitFirstLook(ServingLimits.FIRST_LOOK_MS);
      } catch (InterruptedException e) {
        backend.close();
        throw e;
      }
      return backend;
    } catch (IllegalArgumentException e) {
      throw new ModelUnusable(String.valueOf(e.getMessage()));
    }
  }

  private static String key(Path file) throws ModelUnusable {
    try {
      if (Files.size(file) > ServingLimits.KEY_FILE_BYTES) {
        throw new ModelUnusable("the key file " + file + " is too large to hold a key");
      }
      return Files.readString(file).strip();
    } catch (IOException e) {
      throw new ModelUnusable("the key file " + file + " cannot be read: " + e.getMessage());
    }
  }

  private synchronized EventLoopGroup loops() throws ModelUnusable {
    if (closed) {
      throw new ModelUnusable("the provider is closed");
    }
    EventLoopGroup now = loops;
    if (now == null) {
      now = HttpBackend.loops(Math.min(cores, ServingLimits.HTTP_THREADS));
      loops = now;
    }
    return now;
  }

  private Backend open(ServedModel served, Model model, Map<String, Path> files)
      throws ModelUnusable {
    return switch (model.format()) {
      case "gguf" -> gguf(served, files);
      case "wasm" -> wasm(served, model, files);
      case "onnx" -> onnx(served, model, files);
      case "api" ->
          throw new ModelUnusable("a server has it: name that, " + model.name() + "=http://...");
      default ->
          throw new ModelUnusable(
              "its format '" + model.format() + "' is not known here: update perseid");
    };
  }

  private Backend gguf(ServedModel served, Map<String, Path> files) throws ModelUnusable {
    int parallel =
        Math.min(
            ServingLimits.GGUF_PARALLEL_MOST,
            served.parallel().orElse(ServingLimits.GGUF_PARALLEL));
    try {
      return LanguageModel.load(
          only(files, ".gguf"),
          new LanguageModel.Options(
              served.threads().orElse(cores),
              kvBytes,
              parallel,
              ServingLimits.waiting(parallel),
              served.contextTokens().orElse(0)));
    } catch (ModelFileException e) {
      throw new ModelUnusable(String.valueOf(e.getMessage()));
    }
  }

  private Backend onnx(ServedModel served, Model model, Map<String, Path> files)
      throws ModelUnusable {
    boolean named = served.source() instanceof ServedModel.Source.Local;
    Path file = only(named ? files : shelf.byName(model, files), ".onnx");
    int parallel = served.parallel().orElse(served.threads().orElse(cores));
    OnnxSettings settings =
        OnnxSettings.of(model.name(), model.version())
            .withThreads(Math.min(parallel, 1_024), ServingLimits.waiting(parallel))
            .withCuda(Files.exists(NVIDIA));
    if (model.contextTokens() > 0) {
      settings = settings.withTextTokens(served.contextTokens().orElse(model.contextTokens()));
    }
    Path tokenizer = files.get("tokenizer.json");
    try {
      return OnnxBackend.load(
          file,
          model.task() == ModelTask.EMBED && tokenizer != null
              ? Optional.of(HuggingFaceTokens.load(tokenizer))
              : Optional.empty(),
          settings);
    } catch (BrokenModelException e) {
      throw new ModelUnusable(String.valueOf(e.getMessage()));
    }
  }

  private Backend wasm(ServedModel served, Model model, Map<String, Path> files)
      throws ModelUnusable {
    Path module = only(files, ".wasm");
    try {
      return new WasmBackend(
          sandbox,
          model,
          module,
          new Blob(ModelShelf.hash(module), Files.size(module)),
          directory.resolve("rows"),
          wasmMemoryBytes,
          served.parallel().orElse(cores));
    } catch (IOException e) {
      throw new ModelUnusable(module + " cannot be read: " + e.getMessage());
    }
  }

  /// The one file with this ending; what else there may be is for people.
  private static Path only(Map<String, Path> files, String ending) throws ModelUnusable {
    Path found = null;
    for (Map.Entry<String, Path> file : files.entrySet()) {
      if (file.getKey().endsWith(ending)) {
        if (found != null) {
          throw new ModelUnusable("it has several files *" + ending + ": publish one model each");
        }
        found = file.getValue();
      }
    }
    if (found == null) {
      throw new ModelUnusable(
          "it has no file *" + ending + " but " + files.keySet() + ": publish it again");
    }
    return found;
  }

  @Override
  public synchronized void close() {
    closed = true;
    if (loops != null) {
      var _ = loops.shutdownGracefully();
    }
  }
}
