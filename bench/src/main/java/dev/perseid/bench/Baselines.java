package dev.perseid.bench;

import dev.perseid.wire.Channels;
import dev.perseid.wire.v1.IdentityGrpc;
import dev.perseid.wire.v1.Proto;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/// What the throughput is compared with, measured in the same run: the same number of calls that
/// carry nothing over loopback gRPC, and the same number of empty tasks through other systems where
/// they are installed (`bench/peers/install.sh`).
final class Baselines {
  private static final List<String> PEERS = List.of("dask", "ray");
  private static final int IN_FLIGHT = 128;
  private static final int PEER_S = 300;

  /// Peers get fewer tasks: some take a millisecond for each.
  private static final int PEER_TASKS = 20_000;

  private final Printout report;
  private final int calls;

  Baselines(Printout report, int calls) {
    this.report = report;
    this.calls = calls;
  }

  void run(Path home, double perseidPerS) throws IOException, InterruptedException {
    Table table = new Table("baseline", ">per second", ">Perseid against it", "what it leaves out");
    double one = calls(1, Math.max(1_000, calls / 10));
    row(table, "gRPC call, one at a time", one, perseidPerS, "everything but the call");
    double many = calls(IN_FLIGHT, calls);
    row(
        table,
        "gRPC call, " + IN_FLIGHT + " at once",
        many,
        perseidPerS,
        "everything but the call");
    for (String peer : PEERS) {
      Optional<Double> rate = peer(home, peer);
      if (rate.isPresent()) {
        row(table, peer, rate.get(), perseidPerS, "isolation, durability, records, payment");
      } else {
        table.row(peer, "not installed", "", "see bench/peers/install.sh");
      }
    }
    report.table(table);
  }

  private static void row(Table table, String name, double rate, double perseid, String without) {
    table.row(name, Figures.of(rate), Figures.ratio(perseid, rate), without);
  }

  /// Calls a second to a process of its own, after a tenth as many to warm up.
  private static double calls(int inFlight, int count) throws IOException, InterruptedException {
    Process server =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                System.getProperty("java.class.path"),
                Answerer.class.getName())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    try (BufferedReader said = server.inputReader(StandardCharsets.UTF_8)) {
      String port = said.readLine();
      if (port == null) {
        throw new IOException("the answering process did not start");
      }
      ManagedChannel channel = Channels.open("127.0.0.1", Integer.parseInt(port), Optional.empty());
      try {
        call(channel, inFlight, Math.max(1_000, count / 10));
        long begun = System.nanoTime();
        call(channel, inFlight, count);
        return count / ((System.nanoTime() - begun) / 1e9);
      } finally {
        channel.shutdownNow();
      }
    } finally {
      server.destroy();
      server.waitFor(10, TimeUnit.SECONDS);
    }
  }

  private static void call(ManagedChannel channel, int inFlight, int count)
      throws IOException, InterruptedException {
    IdentityGrpc.IdentityStub stub = IdentityGrpc.newStub(channel);
    Semaphore room = new Semaphore(inFlight);
    Semaphore failed = new Semaphore(0);
    for (int i = 0; i < count; i++) {
      room.acquire();
      stub.about(Proto.AboutRequest.getDefaultInstance(), new Heard(room, failed));
    }
    room.acquire(inFlight);
    if (failed.availablePermits() > 0) {
      throw new IOException(failed.availablePermits() + " of " + count + " calls failed");
    }
  }

  private record Heard(Semaphore room, Semaphore failed)
      implements StreamObserver<Proto.AboutReply> {
    @Override
    public void onNext(Proto.AboutReply reply) {}

    @Override
    public void onError(Throwable t) {
      failed.release();
      room.release();
    }

    @Override
    public void onCompleted() {
      room.release();
    }
  }

  /// The process that answers: prints its port, ends with its standard input.
  static final class Answerer {
    private Answerer() {}

    public static void main(String[] args) throws IOException {
      Server server =
          NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
              .addService(
                  new IdentityGrpc.IdentityImplBase() {
                    @Override
                    public void about(
                        Proto.AboutRequest request, StreamObserver<Proto.AboutReply> answer) {
                      answer.onNext(Proto.AboutReply.getDefaultInstance());
                      answer.onCompleted();
                    }
                  })
              .build()
              .start();
      System.out.println(server.getPort());
      System.in.transferTo(java.io.OutputStream.nullOutputStream());
      server.shutdownNow();
    }
  }

  /// Tasks a second of a peer, whose script prints that number as its last line; empty if it is not
  /// installed.
  private Optional<Double> peer(Path home, String name) throws IOException, InterruptedException {
    Path folder = home.resolve("bench/peers");
    Path python = folder.resolve("." + name).resolve("bin/python");
    if (!Files.isExecutable(python)) {
      return Optional.empty();
    }
    Process script =
        new ProcessBuilder(
                python.toString(),
                folder.resolve(name + "_empty.py").toString(),
                Integer.toString(Math.min(calls, PEER_TASKS)))
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    script.getOutputStream().close();
    String last = "";
    try (BufferedReader said = script.inputReader(StandardCharsets.UTF_8)) {
      for (String line = said.readLine(); line != null; line = said.readLine()) {
        last = line.strip();
      }
    }
    if (!script.waitFor(PEER_S, TimeUnit.SECONDS) || script.exitValue() != 0) {
      script.destroyForcibly();
      report.say(name + " failed: it is left out");
      return Optional.empty();
    }
    return Optional.of(Double.parseDouble(last));
  }
}
