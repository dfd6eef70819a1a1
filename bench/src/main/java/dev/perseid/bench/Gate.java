package dev.perseid.bench;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.BrokenModelException;
import dev.perseid.inference.Manifest;
import dev.perseid.inference.ModelDescription;
import dev.perseid.inference.ModelFile;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// Something between clients and [MockModel], as processes of its own.
///
/// @param model the model's name there
/// @param headers what it wants to be told, each with its line end written as `|`
/// @param processes whose processor time is its price
/// @param fleet of Perseid's own
/// @param end stops it
record Gate(
    String name,
    int port,
    String model,
    String headers,
    List<Process> processes,
    Optional<Fleet> fleet,
    Closeable end)
    implements Closeable {
  private static final int START_S = 20;
  private static final int INSTALL_S = 180;
  private static final int PARALLEL = 4_096;
  private static final String PORTKEY = "1.15.2";
  private static final String MODEL = "bench/mock";

  /// Nothing between.
  static Gate direct(int mock) {
    return new Gate("direct", mock, "mock", "", List.of(), Optional.empty(), () -> {});
  }

  /// nginx as a reverse proxy: it reads no request and knows no model.
  static Optional<Gate> nginx(Path folder, int mock, Printout report)
      throws IOException, InterruptedException {
    Optional<Path> program = installed("nginx");
    if (program.isEmpty()) {
      report.say("nginx is not installed: it is left out");
      return Optional.empty();
    }
    int port = freePort();
    Files.createDirectories(folder);
    Path config =
        Files.writeString(
            folder.resolve("nginx.conf"),
            """
            daemon off;
            worker_processes 2;
            pid %1$s/pid;
            error_log stderr error;
            events { worker_connections 8192; }
            http {
              access_log off;
              client_body_temp_path %1$s/body;
              proxy_temp_path %1$s/proxy;
              fastcgi_temp_path %1$s/fastcgi;
              uwsgi_temp_path %1$s/uwsgi;
              scgi_temp_path %1$s/scgi;
              keepalive_requests 100000000;
              upstream mock { server 127.0.0.1:%2$d; keepalive 256; keepalive_requests 100000000; }
              server {
                listen 127.0.0.1:%3$d backlog=4096;
                location / {
                  proxy_pass http://mock;
                  proxy_http_version 1.1;
                  proxy_set_header Connection "";
                  proxy_buffering off;
                }
              }
            }
            """
                .formatted(folder, mock, port));
    Process process =
        new ProcessBuilder(program.get().toString(), "-c", config.toString())
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("log").toFile())
            .start();
    return started(
        new Gate(
            "nginx", port, "mock", "", List.of(process), Optional.empty(), () -> destroy(process)),
        folder.resolve("log"),
        report);
  }

  /// `@portkey-ai/gateway`, fetched once with npm.
  static Optional<Gate> portkey(Path folder, int mock, Printout report)
      throws IOException, InterruptedException {
    Optional<Path> npm = installed("npm");
    Optional<Path> node = installed("node");
    if (npm.isEmpty() || node.isEmpty()) {
      report.say("npm or node is not installed: Portkey's gateway is left out");
      return Optional.empty();
    }
    Path kept = Path.of(System.getProperty("user.home"), ".cache", "perseid", "portkey-" + PORTKEY);
    Path program = kept.resolve("node_modules/@portkey-ai/gateway/build/start-server.js");
    if (!Files.exists(program)) {
      report.progress("fetching @portkey-ai/gateway " + PORTKEY + " with npm into " + kept);
      Files.createDirectories(kept);
      // With newer versions of hono than its own lock file has, it answers 500 to every stream.
      Files.writeString(
          kept.resolve("package.json"),
          """
          {"name":"peer","version":"1.0.0","private":true,
           "dependencies":{"@portkey-ai/gateway":"%s"},
           "overrides":{"@hono/node-server":"1.13.5","hono":"4.9.7"}}
          """
              .formatted(PORTKEY));
      Process install =
          new ProcessBuilder(
                  npm.get().toString(), "install", "--no-audit", "--no-fund", "--ignore-scripts")
              .directory(kept.toFile())
              .redirectErrorStream(true)
              .redirectOutput(kept.resolve("install.log").toFile())
              .start();
      if (!install.waitFor(INSTALL_S, TimeUnit.SECONDS) || !Files.exists(program)) {
        destroy(install);
        report.say(
            "npm could not fetch Portkey's gateway, see "
                + kept.resolve("install.log")
                + ": it is left out");
        return Optional.empty();
      }
    }
    int port = freePort();
    Files.createDirectories(folder);
    ProcessBuilder builder =
        new ProcessBuilder(
                node.get().toString(), program.toString(), "--port=" + port, "--headless")
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("log").toFile());
    builder.environment().put("NODE_ENV", "production");
    builder.environment().put("TRUSTED_CUSTOM_HOSTS", "127.0.0.1");
    Process process = builder.start();
    return started(
        new Gate(
            "portkey " + PORTKEY,
            port,
            "mock",
            "Authorization: Bearer sk-mock|x-portkey-provider: openai|x-portkey-custom-host:"
                + " http://127.0.0.1:"
                + mock
                + "/v1|",
            List.of(process),
            Optional.empty(),
            () -> destroy(process)),
        folder.resolve("log"),
        report);
  }

  /// A pool with its gateway and a provider that serves the mock as a published model, asked with
  /// an API key of an account that pays.
  ///
  /// @param direct whether the pool calls the provider's server itself; else all goes through the
  ///   provider
  static Gate perseid(
      Path folder, int mock, boolean direct, List<String> poolFlags, List<String> providerFlags)
      throws IOException, PoolFailure, InterruptedException {
    Files.createDirectories(folder);
    List<String> arguments = new ArrayList<>(List.of("--gateway-port", "0"));
    if (direct) {
      arguments.addAll(List.of("--direct", "127.0.0.1:" + mock));
    }
    Fleet fleet = Fleet.start(folder, poolFlags, arguments);
    try {
      publish(fleet.client());
      List<String> serving =
          new ArrayList<>(
              List.of(
                  "--serve",
                  MODEL + "=http://127.0.0.1:" + mock + "/v1#mock",
                  "--parallel",
                  Integer.toString(PARALLEL)));
      if (direct) {
        serving.add("--direct-calls");
      }
      fleet.addProviders(1, 1, providerFlags, serving);
      String key = fleet.apiKey();
      return new Gate(
          direct ? "perseid" : "perseid, relayed",
          fleet.gatewayPort(),
          MODEL,
          "Authorization: Bearer " + key + "|",
          fleet.processes(),
          Optional.of(fleet),
          fleet::close);
    } catch (IOException | PoolFailure | InterruptedException | RuntimeException e) {
      fleet.close();
      throw e;
    }
  }

  private static void publish(PoolClient author) throws IOException, PoolFailure {
    byte[] card = "It answers at once, always the same.".getBytes(StandardCharsets.UTF_8);
    String title = "card.md";
    Manifest manifest;
    try {
      manifest =
          Manifest.of(
              new ModelDescription(
                  MODEL,
                  "1",
                  ModelTask.CHAT,
                  "api",
                  "f32",
                  1_000,
                  8_192,
                  "Apache-2.0",
                  "a model that computes nothing",
                  0,
                  Instant.EPOCH),
              List.of(
                  new ModelFile(
                      title, ModelFile.mediaType(title), Hash.sha256(card), card.length)));
    } catch (BrokenModelException e) {
      throw new IOException(e);
    }
    for (byte[] part : List.of(card, manifest.config(), manifest.bytes())) {
      author.upload(new Blob(Hash.sha256(part), part.length), PoolClient.Content.of(part), _ -> {});
    }
    author.publish(manifest.toModel(author.self(), 1));
  }

  private static Optional<Gate> started(Gate gate, Path log, Printout report)
      throws IOException, InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_S);
    while (System.nanoTime() - deadline < 0 && gate.processes.getFirst().isAlive()) {
      try (Socket _ = new Socket(InetAddress.getLoopbackAddress(), gate.port)) {
        return Optional.of(gate);
      } catch (IOException e) {
        TimeUnit.MILLISECONDS.sleep(50);
      }
    }
    report.say(gate.name + " did not start: it is left out. " + Files.readString(log));
    gate.close();
    return Optional.empty();
  }

  /// Processor time so far, in seconds, of each of its processes.
  List<Double> cpuS() throws IOException {
    List<Double> seconds = new ArrayList<>();
    for (Process process : processes) {
      CpuTime time = CpuTime.of(process.pid());
      seconds.add(time.own() + time.children());
    }
    return seconds;
  }

  /// Memory that its processes hold now, MiB.
  long residentMib() throws IOException {
    long kib = 0;
    for (Process process : processes) {
      kib += residentKib(process.pid());
      for (ProcessHandle child : process.descendants().toList()) {
        kib += residentKib(child.pid());
      }
    }
    return kib >> 10;
  }

  private static long residentKib(long pid) throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/status"))) {
      if (line.startsWith("VmRSS:")) {
        return Long.parseLong(line.replaceAll("[^0-9]", ""));
      }
    }
    return 0;
  }

  private static Optional<Path> installed(String program) {
    for (String folder : (System.getenv("PATH") + ":/usr/sbin").split(":", -1)) {
      Path file = Path.of(folder, program);
      if (Files.isExecutable(file)) {
        return Optional.of(file);
      }
    }
    return Optional.empty();
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private static void destroy(Process process) {
    process.destroy();
    try {
      if (!process.waitFor(5, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() throws IOException {
    end.close();
  }
}
