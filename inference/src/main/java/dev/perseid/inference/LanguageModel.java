package dev.perseid.inference;

import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// A language model of a GGUF file, run on the CPU by this process. Answers CHAT and COMPLETION.
///
/// One thread runs all requests together, a step at a time: each step computes the next token of
/// every answer being written and a piece of the prompts being read, so requests come and go
/// between steps. What a request is answered depends on the request and its seed only, to the last
/// bit: not on what else is in a step, on what is remembered, or on the number of threads.
///
/// Keys and values of finished sequences are remembered while there is room, and a prompt that
/// begins alike is not computed again.
public final class LanguageModel implements Backend {
  /// With which every [#name] begins.
  public static final String ENGINE = "perseid-engine";

  /// How a model is run.
  ///
  /// @param threads that compute, at least 1
  /// @param kvBytes memory for keys and values; requests wait while there is too little
  /// @param parallel sequences at most that are written at once, 1 to 64
  /// @param waiting requests at most that wait; more are refused with BUSY
  /// @param contextTokens prompt and answer together at most; 0 takes what the model can
  public record Options(int threads, long kvBytes, int parallel, int waiting, int contextTokens) {
    /// Checks the bounds.
    public Options {
      if (threads < 1
          || threads > 1024
          || parallel < 1
          || parallel > EngineLimits.MOST_ROWS_A_STEP
          || waiting < 0
          || kvBytes < 0
          || contextTokens < 0) {
        throw new IllegalArgumentException("an option of the language model is out of bounds");
      }
    }

    /// All processors, 256 MiB, 16 at once, 64 waiting.
    public static Options usual() {
      return new Options(Runtime.getRuntime().availableProcessors(), 256L << 20, 16, 64, 0);
    }
  }

  /// Takes the logits at one place of a text.
  public interface LogitsReader {
    /// @param index of the token of the continuation that the logits are for
    /// @param logits one for each token of the vocabulary; a copy
    void at(int index, float[] logits);
  }

  /// A finished sequence.
  private static final class Memory {
    final int[] tokens;
    final KvPages.Table table;

    Memory(int[] tokens, KvPages.Table table) {
      this.tokens = tokens;
      this.table = table;
    }
  }

  private static final SecureRandom SEEDS = new SecureRandom();

  private final GgufTokens tokens;
  private final Llama llama;
  private final Kernels kernels;
  private final Crew crew;
  private final Options options;
  private final int context;
  private final KvPages pages;
  private final Thread thread;
  private final Clock clock;
  private final Object teaching = new Object();
  private final CountDownLatch ended = new CountDownLatch(1);

  private final Object lock = new Object();
  private final Deque<Paper> inbox = new ArrayDeque<>();
  private int waitingPapers;
  private int runningPapers;
  private boolean closed;
  private String problem = "";

  // Of the engine's thread alone:
  private final Deque<Paper> queue = new ArrayDeque<>();
  private final List<Paper> papers = new ArrayList<>();
  private final List<Paper.Choice> entering = new ArrayList<>();
  private final List<Paper.Choice> running = new ArrayList<>();
  private final Deque<Memory> memories = new ArrayDeque<>();

  private LanguageModel(Llama llama, GgufTokens tokens, Options options, Kernels kernels) {
    this.llama = llama;
    this.tokens = tokens;
    this.options = options;
    this.kernels = kernels;
    this.clock = Clock.systemUTC();
    context =
        options.contextTokens == 0
            ? llama.context()
            : Math.min(options.contextTokens, llama.context());
    long most = Math.max(1, options.kvBytes / (4L * llama.pageFloats()));
    pages = new KvPages(llama.pageFloats(), (int) Math.min(Integer.MAX_VALUE, most));
    crew = new Crew(options.threads, "perseid-rows");
    thread = Thread.ofPlatform().daemon().name("perseid-engine").unstarted(this::loop);
  }

  /// Loads a model; takes as long as reading its weights does.
  ///
  /// @throws ModelFileException if the file is damaged, or holds a model of another kind
  public static LanguageModel load(Path file, Options options) throws ModelFileException {
    return load(file, options, Kernels.pick());
  }

  static LanguageModel load(Path file, Options options, Kernels kernels) throws ModelFileException {
    try (Gguf gguf = Gguf.open(file)) {
      Tokenizer tokenizer = new Tokenizer(gguf);
      GgufTokens tokens = new GgufTokens(tokenizer, ChatTemplate.of(gguf, tokenizer));
      Llama llama = new Llama(gguf);
      if (tokenizer.size() > llama.vocabulary()) {
        throw new ModelFileException("The model file has more tokens than rows of embeddings.");
      }
      LanguageModel model = new LanguageModel(llama, tokens, options, kernels);
      model.thread.start();
      return model;
    }
  }

  /// The model's tokens.
  public GgufTokens tokens() {
    return tokens;
  }

  /// Tokens of prompt and answer together, at most.
  public int context() {
    return context;
  }

  /// Number of the model's logits.
  public int vocabulary() {
    return llama.vocabulary();
  }

  /// Reads a text that somebody else wrote, in one pass, on the calling thread; one caller at a
  /// time, others wait. Gives for each token of the continuation the logits that it was chosen
  /// from, with the same bits as if this engine had written it.
  ///
  /// @param prompt at least one token
  /// @throws IllegalArgumentException if a token is none of the model's, or both together are
  ///   longer than its context
  public void teach(int[] prompt, int[] continuation, LogitsReader reader) {
    int n = prompt.length + continuation.length - 1;
    if (prompt.length == 0 || n > llama.context()) {
      throw new IllegalArgumentException("prompt and continuation do not fit the context");
    }
    int[] all = Arrays.copyOf(prompt, prompt.length + continuation.length);
    System.arraycopy(continuation, 0, all, prompt.length, continuation.length);
    for (int token : all) {
      if (token < 0 || token >= llama.vocabulary()) {
        throw new IllegalArgumentException("the model has no token " + token);
      }
    }
    synchronized (teaching) {
      KvPages own = new KvPages(llama.pageFloats(), KvPages.pagesFor(n));
      KvPages.Table table = new KvPages.Table();
      try (Crew alone = new Crew(1, "perseid-teacher")) {
        Llama.Bench bench = llama.new Bench(EngineLimits.MOST_ROWS_A_STEP, alone, kernels);
        for (int from = 0; from < n; from += EngineLimits.MOST_ROWS_A_STEP) {
          int to = Math.min(n, from + EngineLimits.MOST_ROWS_A_STEP);
          own.grow(table, to);
          List<Llama.Row> rows = new ArrayList<>();
          for (int i = from; i < to; i++) {
            rows.add(new Llama.Row(table, i, all[i], i >= prompt.length - 1));
          }
          float[] logits = bench.run(rows);
          int at = 0;
          for (int i = Math.max(from, prompt.length - 1); i < to; i++) {
            reader.at(i - prompt.length + 1, slice(logits, at));
            at++;
          }
        }
      }
    }
  }

  /// [#teach] into one array; a row of it is [#vocabulary] floats.
  public float[][] logits(int[] prompt, int[] continuation) {
    float[][] out = new float[continuation.length][];
    teach(prompt, continuation, (index, logits) -> out[index] = logits);
    return out;
  }

  private float[] slice(float[] logits, int row) {
    int at = row * llama.logitStride();
    return Arrays.copyOfRange(logits, at, at + llama.vocabulary());
  }

  @Override
  public Runnable ask(Request request, Answer answer) {
    Outbox outbox = new Outbox();
    Paper paper;
    try {
      paper = paper(request, answer, outbox);
    } catch (InvalidCall e) {
      outbox.put(() -> answer.failed(e.failure(), Claim.NONE));
      return () -> {};
    }
    synchronized (lock) {
      if (closed || !problem.isEmpty()) {
        Failure failure =
            new Failure(Failure.Kind.BROKEN, closed ? "The model is being stopped." : problem);
        outbox.put(() -> answer.failed(failure, Claim.NONE));
        return () -> {};
      }
      if (waitingPapers >= options.waiting + (runningPapers < options.parallel ? 1 : 0)) {
        Failure busy =
            new Failure(
                Failure.Kind.BUSY,
                "Too many requests wait for this model.",
                "",
                "",
                OptionalLong.of(EngineLimits.RETRY_AFTER_MS));
        outbox.put(() -> answer.failed(busy, Claim.NONE));
        return () -> {};
      }
      inbox.add(paper);
      waitingPapers++;
      lock.notifyAll();
    }
    return () -> {
      paper.cancelled = true;
      synchronized (lock) {
        lock.notifyAll();
      }
    };
  }

  private Paper paper(Request request, Answer answer, Outbox outbox) throws InvalidCall {
    if (request.api() != Api.CHAT && request.api() != Api.COMPLETION) {
      throw new InvalidCall(
          "", "This model answers chat and completion, not " + request.api().word() + ".");
    }
    ChatCall call = ChatCall.of(request.api(), request.body());
    List<int[]> prompts = tokens.prompts(call);
    for (int[] prompt : prompts) {
      if (prompt.length == 0) {
        throw new InvalidCall("prompt", "The prompt is empty.");
      }
      if (prompt.length >= context || KvPages.pagesFor(prompt.length + 1) > pages.most()) {
        throw new InvalidCall(
            new Failure(
                Failure.Kind.TOO_LONG,
                "The prompt has "
                    + prompt.length
                    + " tokens, but this model takes "
                    + Math.min(context, (long) pages.most() * KvPages.TOKENS)
                    + " for prompt and answer together.",
                call.api() == Api.CHAT ? "messages" : "prompt",
                "context_length_exceeded",
                OptionalLong.empty()));
      }
    }
    // Kept below 2^53, so that a client in JavaScript can send it back.
    long seed = call.seed().orElseGet(() -> SEEDS.nextLong() >>> 11);
    int room = (int) Math.min(context, (long) pages.most() * KvPages.TOKENS);
    return new Paper(
        request,
        call,
        prompts,
        room,
        seed,
        clock.millis() / 1000,
        tokens.tokenizer(),
        answer,
        outbox);
  }

  @Override
  public Health health() {
    synchronized (lock) {
      boolean healthy = !closed && problem.isEmpty();
      String why = closed ? "The model was stopped." : problem;
      return new Health(healthy, options.parallel, runningPapers, waitingPapers, why);
    }
  }

  @Override
  public Optional<NavigableSet<String>> honours() {
    return Optional.of(Parameters.OF_OWN_ENGINE);
  }

  @Override
  public String name() {
    return ENGINE + " (" + kernels.name() + ")";
  }

  @Override
  public void close() {
    synchronized (lock) {
      closed = true;
      lock.notifyAll();
    }
    try {
      if (!ended.await(EngineLimits.CLOSE_WAIT_MS, TimeUnit.MILLISECONDS)) {
        System.getLogger(LanguageModel.class.getName())
            .log(System.Logger.Level.WARNING, "The engine did not end in time");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  // --- the engine's thread

  private void loop() {
    try {
      Llama.Bench bench = llama.new Bench(EngineLimits.MOST_ROWS_A_STEP, crew, kernels);
      while (receive()) {
        dismiss();
        admit();
        step(bench);
      }
      endAll("The model is being stopped.");
    } catch (Throwable e) {
      // Whatever it was, those who wait have to hear of it.
      System.getLogger(LanguageModel.class.getName())
          .log(System.Logger.Level.ERROR, "The engine failed", e);
      endAll("The engine failed: " + e.getClass().getSimpleName() + ". Restart the provider.");
    } finally {
      crew.close();
      ended.countDown();
    }
  }

  private void endAll(String why) {
    List<Paper> left = new ArrayList<>(papers);
    left.addAll(queue);
    synchronized (lock) {
      problem = why;
      left.addAll(inbox);
      inbox.clear();
      waitingPapers = 0;
      runningPapers = 0;
    }
    for (Paper paper : left) {
      paper.fail(new Failure(Failure.Kind.BROKEN, why));
    }
  }

  /// Takes what came in; waits if there is nothing to do.
  ///
  /// @return false when it is time to end
  private boolean receive() throws InterruptedException {
    synchronized (lock) {
      waitingPapers = inbox.size() + queue.size();
      runningPapers = papers.size();
      while (!closed && inbox.isEmpty() && queue.isEmpty() && papers.isEmpty()) {
        lock.wait();
      }
      queue.addAll(inbox);
      inbox.clear();
      return !closed;
    }
  }

  /// Lets go of what is over or cancelled.
  private void dismiss() {
    for (Iterator<Paper> all = queue.iterator(); all.hasNext(); ) {
      Paper paper = all.next();
      if (paper.cancelled) {
        cancel(paper);
        all.remove();
      }
    }
    for (Iterator<Paper> all = papers.iterator(); all.hasNext(); ) {
      Paper paper = all.next();
      if (paper.cancelled) {
        cancel(paper);
      }
      if (paper.over()) {
        all.remove();
        entering.removeAll(paper.choices);
      }
    }
    for (Iterator<Paper.Choice> all = running.iterator(); all.hasNext(); ) {
      Paper.Choice choice = all.next();
      if (choice.finished() || choice.paper().over()) {
        all.remove();
        remember(choice);
      }
    }
  }

  private static void cancel(Paper paper) {
    paper.fail(new Failure(Failure.Kind.CANCELLED, "The request was cancelled."));
  }

  private void remember(Paper.Choice choice) {
    int[] known = Arrays.copyOf(choice.tokens.toArray(), choice.done);
    memories.addFirst(new Memory(known, choice.table));
    while (memories.size() > EngineLimits.MOST_REMEMBERED) {
      pages.release(memories.removeLast().table);
    }
  }

  private int promised() {
    int promised = 0;
    for (Paper.Choice choice : running) {
      promised += KvPages.pagesFor(choice.promptLength + choice.most) - choice.table.pages.size();
    }
    return promised;
  }

  /// Lets requests begin while there is room, in the order in which they came.
  private void admit() {
    while (true) {
      while (!entering.isEmpty()) {
        if (!enter(entering.getFirst())) {
          return;
        }
        entering.removeFirst();
      }
      if (queue.isEmpty() || running.size() >= options.parallel) {
        return;
      }
      Paper paper = queue.removeFirst();
      papers.add(paper);
      entering.addAll(paper.choices);
    }
  }

  private boolean enter(Paper.Choice choice) {
    if (running.size() >= options.parallel) {
      return false;
    }
    // Choices of the same prompt wait for the first to have read it.
    for (Paper.Choice other : running) {
      if (other.paper() == choice.paper()
          && other.promptIndex == choice.promptIndex
          && other.done < other.promptLength) {
        return false;
      }
    }
    int common = 0;
    KvPages.Table from = new KvPages.Table();
    if (!choice.wantsPromptOdds()) {
      for (Memory memory : memories) {
        int n = common(memory.tokens, memory.tokens.length, choice);
        if (n > common) {
          common = n;
          from = memory.table;
        }
      }
      for (Paper.Choice other : running) {
        int n = common(other.tokens.toArray(), other.done, choice);
        if (n > common) {
          common = n;
          from = other.table;
        }
      }
    }
    // Held before others are forgotten, which may be what it shares its pages with.
    int need = KvPages.pagesFor(choice.promptLength + choice.most) - common / KvPages.TOKENS;
    KvPages.Table source = from;
    while (pages.free() - promised() < need) {
      Memory victim = null;
      for (Iterator<Memory> all = memories.descendingIterator(); all.hasNext(); ) {
        Memory memory = all.next();
        if (memory.table != source) {
          victim = memory;
          break;
        }
      }
      if (victim != null) {
        memories.remove(victim);
        pages.release(victim.table);
      } else if (running.isEmpty() && !memories.isEmpty()) {
        // Nothing else is left: what would have been shared has to go, too.
        while (!memories.isEmpty()) {
          pages.release(memories.removeLast().table);
        }
        return enter(choice);
      } else {
        return false;
      }
    }
    choice.table = pages.fork(source, common);
    choice.done = common;
    choice.cached = common;
    running.add(choice);
    return true;
  }

  private static int common(int[] known, int most, Paper.Choice choice) {
    int n = Math.min(most, choice.promptLength - 1);
    int i = 0;
    while (i < n && known[i] == choice.tokens.get(i)) {
      i++;
    }
    return i;
  }

  private void step(Llama.Bench bench) {
    List<Llama.Row> rows = new ArrayList<>();
    List<Paper.Choice> owners = new ArrayList<>();
    boolean writing = false;
    for (Paper.Choice choice : running) {
      if (choice.done >= choice.promptLength) {
        writing = true;
        put(choice, 1, rows, owners);
      }
    }
    int most = writing ? EngineLimits.MOST_PROMPT_ROWS_A_STEP : EngineLimits.MOST_ROWS_A_STEP;
    for (Paper.Choice choice : running) {
      int left = choice.promptLength - choice.done;
      int n = Math.min(Math.min(left, most), EngineLimits.MOST_ROWS_A_STEP - rows.size());
      if (n > 0) {
        put(choice, n, rows, owners);
      }
    }
    if (rows.isEmpty()) {
      return;
    }
    float[] logits = bench.run(rows);
    int at = 0;
    for (int i = 0; i < rows.size(); i++) {
      Llama.Row row = rows.get(i);
      Paper.Choice choice = owners.get(i);
      choice.done++;
      if (!row.wanted()) {
        continue;
      }
      float[] own = slice(logits, at);
      at++;
      if (choice.paper().over()) {
        continue;
      }
      if (choice.done < choice.promptLength) {
        choice.promptOdds(own, choice.tokens.get(choice.done));
        continue;
      }
      if (choice.done == choice.promptLength) {
        choice.paper().begin(choice);
      }
      choice.next(own);
    }
  }

  private void put(Paper.Choice choice, int n, List<Llama.Row> rows, List<Paper.Choice> owners) {
    pages.grow(choice.table, choice.done + n);
    for (int i = choice.done; i < choice.done + n; i++) {
      boolean wanted = i + 1 >= choice.promptLength || choice.wantsPromptOdds();
      rows.add(new Llama.Row(choice.table, i, choice.tokens.get(i), wanted));
      owners.add(choice);
    }
  }
}
