package dev.perseid.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Hash;
import dev.perseid.inference.Answer;
import dev.perseid.inference.Api;
import dev.perseid.inference.Backend;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.LanguageModel;
import dev.perseid.inference.ModelFileException;
import dev.perseid.inference.Request;
import dev.perseid.node.PoolFailure;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What a marketplace costs a language model: tokens a second of the engine called directly in this
/// process, and of the same file served by a provider and asked for over HTTP through a pool's
/// gateway, in streams that are metered, recorded, signed and paid.
final class TokenRate {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int ANSWER_TOKENS = 200;
  private static final int ROUND_MS = 8_000;
  private static final int WARM_MS = 60_000;
  private static final int START_S = 60;
  private static final int ANSWER_MS = 120_000;
  private static final int TAIL_CHARS = 2_000;
  private static final Pattern USAGE = Pattern.compile("\"completion_tokens\":([0-9]+)");
  private static final long KV_BYTES = 256L << 20;
  private static final int PARALLEL = 8;
  private static final int SPECIAL_TOKENS = 3;

  /// @param folder of a published model, with its `perseid-model.yaml`
  /// @param name the model's
  /// @param file its weights
  /// @param threads of the engine
  /// @param streams at once, of each row
  record Setting(
      Path folder,
      String name,
      Path file,
      List<Integer> threads,
      List<Integer> streams,
      int rounds) {}

  /// Answers one question after the other.
  private interface Speaker {
    /// Tokens of the answer.
    long answer(byte[] body) throws IOException, InterruptedException;
  }

  /// Tokens of answers, and the time from the first question to the end of the last answer.
  private record Rate(long tokens, double seconds) {
    double perSecond() {
      return tokens / seconds;
    }
  }

  private final Printout report;
  private final Setting setting;
  private final List<String> poolFlags;
  private final List<String> providerFlags;
  private int vocabulary;

  TokenRate(Printout report, Setting setting, List<String> poolFlags, List<String> providerFlags) {
    this.report = report;
    this.setting = setting;
    this.poolFlags = poolFlags;
    this.providerFlags = providerFlags;
  }

  void run(Path folder, Path home) throws IOException, PoolFailure, InterruptedException {
    Host host = Host.now();
    Table table =
        new Table(
            "threads of the engine",
            ">streams",
            ">tokens/s directly",
            ">through the gateway",
            ">share",
            ">lowest",
            ">highest",
            ">pool's CPU us/token");
    for (int threads : setting.threads()) {
      measure(folder.resolve("threads-" + threads), threads, table);
    }
    report.table(table);
    report.say(host.state(home));
  }

  private void measure(Path folder, int threads, Table table)
      throws IOException, PoolFailure, InterruptedException {
    Files.createDirectories(folder);
    try (LanguageModel model = load(threads);
        Fleet fleet = Fleet.start(folder, poolFlags, List.of("--gateway-port", "0"))) {
      vocabulary = model.vocabulary();
      fleet.command(
          "author", List.of("model", "publish", setting.folder().toString(), "--pool", "POOL"));
      fleet.addProviders(
          1,
          1,
          providerFlags,
          List.of(
              "--serve",
              setting.name() + "=" + setting.folder(),
              "--threads",
              Integer.toString(threads),
              "--parallel",
              Integer.toString(PARALLEL)));
      String key = fleet.apiKey();
      int port = fleet.gatewayPort();
      Speaker directly = body -> directly(model, body);
      Speaker through = body -> through(port, key, body);
      awaitFirst(through);
      int most = setting.streams().stream().mapToInt(s -> s).max().orElse(1);
      speak(directly, most, WARM_MS);
      speak(through, most, WARM_MS);
      for (int streams : setting.streams()) {
        row(threads, streams, directly, through, fleet, table);
      }
    }
  }

  private void row(
      int threads, int streams, Speaker directly, Speaker through, Fleet fleet, Table table)
      throws IOException, InterruptedException {
    double[] alone = new double[setting.rounds()];
    double[] served = new double[setting.rounds()];
    double[] share = new double[setting.rounds()];
    double[] cpuUs = new double[setting.rounds()];
    for (int i = 0; i < setting.rounds(); i++) {
      alone[i] = speak(directly, streams, ROUND_MS).perSecond();
      double before = fleet.poolCpu().own();
      Rate rate = speak(through, streams, ROUND_MS);
      cpuUs[i] = (fleet.poolCpu().own() - before) * 1e6 / rate.tokens();
      served[i] = rate.perSecond();
      share[i] = served[i] / alone[i];
      report.progress(
          threads
              + " threads, "
              + streams
              + " streams, round "
              + (i + 1)
              + ": "
              + Figures.of(alone[i])
              + " tokens/s directly, "
              + Figures.of(served[i])
              + " through the gateway");
    }
    table.row(
        threads,
        streams,
        Figures.of(Figures.median(alone)),
        Figures.of(Figures.median(served)),
        percent(Figures.median(share)),
        percent(Figures.percentile(share, 0)),
        percent(Figures.percentile(share, 100)),
        Figures.of(Figures.median(cpuUs)));
  }

  private static String percent(double share) {
    return Figures.of(share * 100) + " %";
  }

  private LanguageModel load(int threads) throws IOException {
    try {
      return LanguageModel.load(
          setting.file(), new LanguageModel.Options(threads, KV_BYTES, PARALLEL, 4 * PARALLEL, 0));
    } catch (ModelFileException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  /// So many ask again and again until the time is over; answers that have begun are waited for.
  private Rate speak(Speaker speaker, int streams, int ms)
      throws IOException, InterruptedException {
    long begunNs = System.nanoTime();
    long endNs = begunNs + TimeUnit.MILLISECONDS.toNanos(ms);
    List<Future<Long>> spoken = new ArrayList<>();
    try (ExecutorService tasks = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < streams; i++) {
        int stream = i;
        spoken.add(
            tasks.submit(() -> {
              long tokens = 0;
              for (int n = 0; System.nanoTime() - endNs < 0; n++) {
                tokens += speaker.answer(question(stream * 1_000L + n));
              }
              return tokens;
            }));
      }
    }
    double seconds = (System.nanoTime() - begunNs) / 1e9;
    long tokens = 0;
    for (Future<Long> one : spoken) {
      try {
        tokens += one.get();
      } catch (ExecutionException e) {
        throw new IOException(e.getCause());
      }
    }
    return new Rate(tokens, seconds);
  }

  private byte[] question(long seed) {
    ObjectNode body = JSON.createObjectNode();
    body.put("model", setting.name()).put("stream", true).put("max_tokens", ANSWER_TOKENS);
    body.put("temperature", 1.0).put("seed", seed);
    body.putObject("stream_options").put("include_usage", true);
    // The tokens that end an answer are the last of this model's vocabulary; without them each
    // answer
    // has all the tokens that it may, and turn-around between short ones is not what is measured.
    ObjectNode bias = body.putObject("logit_bias");
    for (int token = vocabulary - SPECIAL_TOKENS; token < vocabulary; token++) {
      bias.put(Integer.toString(token), -100);
    }
    body.putArray("messages")
        .addObject()
        .put("role", "user")
        .put("content", "Tell me a story. It is number " + seed + ".");
    return body.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static long directly(Backend model, byte[] body)
      throws IOException, InterruptedException {
    CompletableFuture<Claim> ended = new CompletableFuture<>();
    model.ask(
        new Request("bench", Api.CHAT, Hash.ZERO, body, true),
        new Answer() {
          @Override
          public void part(byte[] json) {}

          @Override
          public void done(Claim claim) {
            ended.complete(claim);
          }

          @Override
          public void failed(Failure failure, Claim claim) {
            ended.completeExceptionally(new IOException(failure.message()));
          }
        });
    try {
      return whole(ended.get().completionTokens());
    } catch (ExecutionException e) {
      throw new IOException(e.getCause());
    }
  }

  /// Over a connection of its own, read with as little work as can be: what the client costs is
  /// taken from the same processors.
  private static long through(int port, String key, byte[] body) throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream(1 << 16);
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      socket.setTcpNoDelay(true);
      socket.setSoTimeout(ANSWER_MS);
      ByteArrayOutputStream request = new ByteArrayOutputStream();
      request.writeBytes(
          ("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                  + "Content-Type: application/json\r\nAuthorization: Bearer "
                  + key
                  + "\r\nContent-Length: "
                  + body.length
                  + "\r\n\r\n")
              .getBytes(StandardCharsets.US_ASCII));
      request.writeBytes(body);
      socket.getOutputStream().write(request.toByteArray());
      socket.getInputStream().transferTo(all);
    }
    String answer = all.toString(StandardCharsets.UTF_8);
    Matcher usage = USAGE.matcher(answer.substring(Math.max(0, answer.length() - TAIL_CHARS)));
    if (!answer.startsWith("HTTP/1.1 200") || !answer.contains("data: [DONE]") || !usage.find()) {
      throw new IOException(
          "not a whole answer: " + answer.substring(0, Math.min(answer.length(), TAIL_CHARS)));
    }
    return whole(Long.parseLong(usage.group(1)));
  }

  /// Each answer has all its tokens. Those that are billed are counted in the text, in which two
  /// that were drawn can be one.
  private static long whole(long tokens) throws IOException {
    if (tokens < ANSWER_TOKENS * 8 / 10) {
      throw new IOException("an answer has only " + tokens + " tokens");
    }
    return ANSWER_TOKENS;
  }

  private void awaitFirst(Speaker through) throws IOException, InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_S);
    while (true) {
      try {
        through.answer(question(0));
        return;
      } catch (IOException e) {
        if (System.nanoTime() - deadline > 0) {
          throw e;
        }
        TimeUnit.MILLISECONDS.sleep(200);
      }
    }
  }
}
