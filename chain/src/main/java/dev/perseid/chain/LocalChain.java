package dev.perseid.chain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.io.BufferedReader;
import java.io.IOException;
import java.math.BigInteger;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A chain of one's own on this machine: an [Anvil] that listens on loopback, with the rules of
/// Osaka (a transaction uses at most 16,777,216 gas, EIP-7825). It has no accounts with known keys.
/// It ends with [#close], and with this JVM however that ends. Safe for any thread.
public final class LocalChain implements AutoCloseable {
  /// How a local chain is made.
  ///
  /// @param port 0 for any that is free
  /// @param chainId its id
  /// @param blockTimeS a block each so many seconds; none: a block for each transaction, at once
  public record Options(int port, long chainId, OptionalInt blockTimeS) {
    /// On any free port, with a block for each transaction.
    public static final Options INSTANT = new Options(0, 31_337, OptionalInt.empty());
  }

  private static final Pattern LISTENING = Pattern.compile("Listening on 127\\.0\\.0\\.1:(\\d+)");
  private static final int LINES_KEPT = 20;

  private final Process process;
  private final Thread atExit;
  private final URI rpc;
  private final Chain chain;

  private LocalChain(Process process, Thread atExit, URI rpc, Chain chain) {
    this.process = process;
    this.atExit = atExit;
    this.rpc = rpc;
    this.chain = chain;
  }

  /// Starts one.
  ///
  /// @throws IOException if it does not start; the message says why
  public static LocalChain start(Anvil anvil, Options options)
      throws IOException, InterruptedException {
    return start(anvil, options, line -> {});
  }

  /// Starts one.
  ///
  /// @param voice hears what it prints
  /// @throws IOException if it does not start; the message says why
  public static LocalChain start(Anvil anvil, Options options, Consumer<String> voice)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    if (!System.getProperty("os.name").startsWith("Windows")) {
      // The shell waits for the end of its input, which ends with this JVM, and takes anvil along.
      command.addAll(
          List.of(
              "/bin/sh",
              "-c",
              "\"$@\" </dev/null & child=$!; trap 'kill $child' TERM;"
                  + " cat >/dev/null; kill $child; wait $child",
              "sh"));
    }
    command.addAll(
        List.of(
            anvil.program().toString(),
            "--host",
            "127.0.0.1",
            "--port",
            Integer.toString(options.port()),
            "--chain-id",
            Long.toString(options.chainId()),
            "--accounts",
            "0",
            "--hardfork",
            "osaka",
            "--enable-tx-gas-limit",
            "--no-cors"));
    options
        .blockTimeS()
        .ifPresent(s -> command.addAll(List.of("--block-time", Integer.toString(s))));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    Thread atExit = new Thread(() -> end(process), "stops-local-chain");
    Runtime.getRuntime().addShutdownHook(atExit);
    boolean done = false;
    try {
      URI rpc = URI.create("http://127.0.0.1:" + port(process, voice));
      Chain chain = Chain.connect(List.of(rpc), OptionalLong.of(options.chainId()));
      done = true;
      return new LocalChain(process, atExit, rpc, chain);
    } catch (ChainException e) {
      throw new IOException("the local chain does not answer: " + e.getMessage(), e);
    } finally {
      if (!done) {
        end(process);
        Runtime.getRuntime().removeShutdownHook(atExit);
      }
    }
  }

  /// Reads what anvil prints, for ever, so that it is never held up; returns once it listens.
  private static int port(Process process, Consumer<String> voice)
      throws IOException, InterruptedException {
    CompletableFuture<Integer> port = new CompletableFuture<>();
    List<String> lines = new ArrayList<>();
    Thread.ofVirtual()
        .name("hears-local-chain")
        .start(() -> {
          try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = out.readLine(); line != null; line = out.readLine()) {
              Matcher matcher = LISTENING.matcher(line);
              if (matcher.find()) {
                port.complete(Integer.valueOf(matcher.group(1)));
              } else if (!port.isDone() && !line.isBlank()) {
                lines.add(line.strip());
                if (lines.size() > LINES_KEPT) {
                  lines.removeFirst();
                }
              }
              voice.accept(line);
            }
          } catch (IOException e) {
            // It has ended; who waits for its port hears of it.
          }
          port.completeExceptionally(new IOException("it ended: " + String.join(" / ", lines)));
        });
    try {
      return port.get(Limits.START_S, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new IOException("the local chain did not start: " + e.getMessage(), e);
    } catch (TimeoutException e) {
      throw new IOException("the local chain did not listen within " + Limits.START_S + " s", e);
    }
  }

  /// Where its JSON-RPC is.
  public URI rpc() {
    return rpc;
  }

  /// It, seen through its own RPC.
  public Chain chain() {
    return chain;
  }

  /// Waits until it ends.
  public void join() throws InterruptedException {
    process.waitFor();
  }

  /// Gives an account money for gas on a local chain that somebody else started.
  ///
  /// @throws ChainException of kind `INPUT` if it is no such chain
  public static void fund(Chain chain, Address account, BigInteger wei) throws ChainException {
    try {
      chain.raw("anvil_setBalance", text(account.toString()), text(Hex.of(wei)));
    } catch (ChainException e) {
      throw switch (e.kind()) {
        case REFUSED ->
            ChainException.input(
                "this is no local chain: nobody gives money away here (" + e.text() + ")");
        case UNREACHABLE, UNTRUSTED, WRONG_CHAIN, REVERTED, POOR, DEAR, INPUT -> e;
      };
    }
  }

  /// Gives an account money for gas.
  public void fund(Address account, BigInteger wei) throws ChainException {
    chain.raw("anvil_setBalance", text(account.toString()), text(Hex.of(wei)));
  }

  /// Makes blocks now.
  public void mine(int blocks) throws ChainException {
    chain.raw("anvil_mine", text(Hex.of(blocks)));
  }

  /// Lets time pass: the next block, made now, is so much later.
  public void pass(long seconds) throws ChainException {
    chain.raw("evm_increaseTime", text(Hex.of(seconds)));
    mine(1);
  }

  /// Whether each transaction gets a block at once.
  public void automine(boolean on) throws ChainException {
    chain.raw("evm_setAutomine", JsonNodeFactory.instance.booleanNode(on));
  }

  /// Makes a block each so many seconds, and none at once; 0: none at all.
  public void interval(int seconds) throws ChainException {
    automine(false);
    chain.raw("evm_setIntervalMining", JsonNodeFactory.instance.numberNode(seconds));
  }

  /// Forgets a transaction that waits.
  public void drop(Hash transaction) throws ChainException {
    chain.raw("anvil_dropTransaction", text(Hex.of(transaction)));
  }

  /// Forgets all transactions that wait.
  public void dropAll() throws ChainException {
    chain.raw("anvil_dropAllTransactions");
  }

  /// Replaces the newest blocks by as many empty ones.
  public void reorganise(int blocks) throws ChainException {
    chain.raw(
        "anvil_reorg",
        JsonNodeFactory.instance.numberNode(blocks),
        JsonNodeFactory.instance.arrayNode());
  }

  /// Keeps what is there now, to be restored once.
  public String keep() throws ChainException {
    return chain.raw("evm_snapshot").asText();
  }

  /// Goes back to what was kept, as a node does that is behind.
  public void restore(String kept) throws ChainException {
    chain.raw("evm_revert", text(kept));
  }

  /// Sets what a unit of gas costs at least in the next block.
  public void baseFee(BigInteger wei) throws ChainException {
    chain.raw("anvil_setNextBlockBaseFeePerGas", text(Hex.of(wei)));
  }

  /// Puts code at an address, as an account of a smart wallet or of EIP-7702 has it.
  public void code(Address account, byte[] code) throws ChainException {
    chain.raw("anvil_setCode", text(account.toString()), text(Hex.of(code)));
  }

  /// Anything else that anvil understands.
  JsonNode raw(String method, JsonNode... parameters) throws ChainException {
    return chain.raw(method, parameters);
  }

  private static JsonNode text(String value) {
    return JsonNodeFactory.instance.textNode(value);
  }

  private static void end(Process process) {
    List<ProcessHandle> children = process.descendants().toList();
    process.destroy();
    children.forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }

  /// Ends it.
  @Override
  public void close() {
    chain.close();
    end(process);
    try {
      Runtime.getRuntime().removeShutdownHook(atExit);
    } catch (IllegalStateException e) {
      // The JVM is ending: the hook has run or will.
    }
  }
}
