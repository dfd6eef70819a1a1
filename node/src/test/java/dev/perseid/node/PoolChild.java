package dev.perseid.node;

import dev.perseid.settle.Key;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.math.BigInteger;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/// A pool in a process of its own, to be killed.
final class PoolChild implements AutoCloseable {
  final Process process;
  final int port;

  private PoolChild(Process process, int port) {
    this.process = process;
    this.port = port;
  }

  /// The child's main: directory and secret, and for a pool on a chain its RPC address, deployment,
  /// confirmations and highest price of gas; prints the port and lives until it is killed.
  public static void main(String[] args) throws Exception {
    Key key = Key.of(HexFormat.of().parseHex(args[1]));
    PoolConfig config =
        PoolConfig.usual(Path.of(args[0]), key).withWelcome(10_000_000).withTimes(200, 3_000);
    if (args.length > 2) {
      MoneyTerms.ChainAt at =
          new MoneyTerms.ChainAt(
              List.of(URI.create(args[2])),
              Path.of(args[3]),
              Optional.empty(),
              new BigInteger(args[5]),
              Integer.parseInt(args[4]));
      config =
          config
              .withWelcome(0)
              .withTimes(200, 20_000)
              .withMoney(new MoneyTerms(Optional.of(at), MoneyLimits.EPOCH_MS, 1, 1));
    }
    PoolNode node = PoolNode.start(config);
    System.out.println("PORT " + node.port());
    // Ends with its parent, even if that dies.
    System.in.transferTo(java.io.OutputStream.nullOutputStream());
    System.exit(0);
  }

  static PoolChild start(Path dir, byte[] secret, String... money) throws Exception {
    String classes =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-Xmx256m",
                "-cp",
                classes,
                PoolChild.class.getName(),
                dir.toString(),
                HexFormat.of().formatHex(secret)));
    command.addAll(List.of(money));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    BufferedReader out =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    String line;
    while ((line = out.readLine()) != null) {
      if (line.startsWith("PORT ")) {
        return new PoolChild(process, Integer.parseInt(line.substring(5)));
      }
    }
    throw new AssertionError("the child ended with " + process.waitFor());
  }

  /// kill -9.
  void kill() throws Exception {
    process.destroyForcibly().waitFor();
  }

  @Override
  public void close() throws Exception {
    kill();
  }
}
