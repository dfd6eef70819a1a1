package dev.perseid.inference;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// One request being answered: its choices, and the JSON that tells of them. Used by the engine's
/// thread alone, but for [#cancelled].
final class Paper {
  private static final ObjectMapper JSON = new ObjectMapper();

  /// The probability of one token, and of the likeliest others.
  private record Odds(int token, double log, List<Integer> top, List<Double> all) {}

  /// One choice: a sequence of tokens that grows.
  final class Choice {
    final int index;
    final int promptIndex;
    final long seed;
    final IntList tokens = new IntList();
    final int promptLength;
    final int most;
    final IntList written = new IntList();
    KvPages.Table table = new KvPages.Table();
    int done;
    int cached;
    JsonGrammar.@Nullable State grammar;
    private final TextStream text;
    private final ToolCalls tools;
    private final StringBuilder content = new StringBuilder();
    private final List<Odds> odds = new ArrayList<>();
    private final List<Odds> promptOdds = new ArrayList<>();
    private int callsTold;
    private int textOffset;
    private boolean begun;
    private Optional<String> finish = Optional.empty();

    private Choice(int index, int promptIndex, int[] prompt, int most, long seed) {
      this.index = index;
      this.promptIndex = promptIndex;
      this.most = most;
      this.seed = seed;
      for (int token : prompt) {
        tokens.add(token);
      }
      promptLength = prompt.length;
      text = new TextStream(call.stops());
      boolean forced = !call.forced().isEmpty();
      tools = new ToolCalls(!call.tools().isEmpty(), forced);
      grammar = call.grammar().isPresent() ? call.grammar().get().start() : null;
    }

    Paper paper() {
      return Paper.this;
    }

    boolean finished() {
      return finish.isPresent();
    }

    /// Whether logits of all of the prompt are wanted.
    boolean wantsPromptOdds() {
      return call.echo() && call.topLogprobs() >= 0;
    }

    void promptOdds(float[] logits, int next) {
      promptOdds.add(odds(logits, next));
    }

    /// The next token out of its logits.
    void next(float[] logits) {
      if (!Float.isFinite(logits[Sampler.best(logits)])) {
        fail(
            new Failure(
                Failure.Kind.BROKEN, "The model computed no numbers; its file may be damaged."));
        return;
      }
      float[] raw = Sampler.penalised(logits, call.sampling(), written.toArray());
      int position = written.size();
      int token = Sampler.choose(raw, call.sampling(), seed, position);
      JsonGrammar.State state = grammar;
      if (state != null && !allowed(state, token)) {
        float[] masked = raw.clone();
        boolean any = false;
        for (int i = 0; i < masked.length; i++) {
          if (allowed(state, i)) {
            any = true;
          } else {
            masked[i] = Float.NEGATIVE_INFINITY;
          }
        }
        if (!any) {
          fail(
              new Failure(
                  Failure.Kind.INVALID,
                  "The model has no tokens to write what response_format asks for.",
                  "response_format",
                  "",
                  OptionalLong.empty()));
          return;
        }
        token = Sampler.choose(masked, call.sampling(), seed, position);
      }
      if (tokenizer.ends(token)) {
        finish("stop");
        return;
      }
      if (call.topLogprobs() >= 0) {
        odds.add(odds(logits, token));
      }
      written.add(token);
      tokens.add(token);
      byte[] bytes = tokenizer.bytes(token);
      if (position == 0
          && call.api() == Api.CHAT
          && tokenizer.spacePrefix()
          && bytes.length > 0
          && bytes[0] == ' ') {
        bytes = Arrays.copyOfRange(bytes, 1, bytes.length);
      }
      if (state != null) {
        grammar = state.after(tokenizer.bytes(token));
      }
      String now = tools.add(text.add(bytes));
      content.append(now);
      JsonGrammar.State after = grammar;
      if (text.stopped() || (after != null && after.over())) {
        tell(now);
        finish("stop");
      } else {
        tell(now);
        if (written.size() >= most) {
          finish("length");
        }
      }
    }

    /// Tokens of it that are claimed: those that were drawn, but no more than its text has and its
    /// end. Who sets odds of tokens can have a word drawn letter by letter; whoever pays counts the
    /// tokens in the text, and would dispute the rest.
    int claimed() {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      for (int token : written.toArray()) {
        bytes.writeBytes(tokenizer.bytes(token));
      }
      int counted = tokenizer.encode(bytes.toString(UTF_8), false, false).length;
      return Math.min(written.size(), counted + 1);
    }

    private boolean allowed(JsonGrammar.State state, int token) {
      if (tokenizer.ends(token)) {
        return state.complete();
      }
      byte[] bytes = tokenizer.bytes(token);
      return bytes.length > 0 && state.allows(bytes[0]) && state.after(bytes) != null;
    }

    private void tell(String now) {
      boolean calls = tools.calls().size() > callsTold;
      if (stream && (!now.isEmpty() || calls || call.topLogprobs() >= 0)) {
        send(chunk(now, Optional.empty()));
      }
    }

    private void begin() {
      if (begun) {
        return;
      }
      begun = true;
      if (call.api() == Api.COMPLETION && call.echo()) {
        StringBuilder prompt = new StringBuilder();
        TextStream all = new TextStream(List.of());
        for (int i = 0; i < promptLength; i++) {
          prompt.append(all.add(tokenizer.bytes(tokens.get(i))));
        }
        prompt.append(all.end());
        content.insert(0, prompt);
        odds.addAll(0, promptOdds);
        if (stream) {
          send(chunk(prompt.toString(), Optional.empty()));
        }
      } else if (stream && call.api() == Api.CHAT) {
        ObjectNode choice = choice();
        ObjectNode delta = choice.putObject("delta");
        delta.put("role", "assistant").put("content", "");
        choice.putNull("logprobs");
        choice.putNull("finish_reason");
        send(envelope("chat.completion.chunk", choice));
      }
    }

    private void finish(String why) {
      String last = text.stopped() ? tools.end() : tools.add(text.end()) + tools.end();
      content.append(last);
      String reason = why.equals("stop") && !tools.calls().isEmpty() ? "tool_calls" : why;
      finish = Optional.of(reason);
      if (stream) {
        if (!last.isEmpty() || tools.calls().size() > callsTold) {
          send(chunk(last, Optional.empty()));
        }
        ObjectNode end = chunk("", finish);
        if (allFinished() && !call.usage()) {
          end.put("perseid_seed", Paper.this.seed);
        }
        send(end);
      }
      if (allFinished()) {
        complete();
      }
    }

    private ObjectNode choice() {
      return JSON.createObjectNode().put("index", index);
    }

    private ObjectNode chunk(String now, Optional<String> reason) {
      ObjectNode choice = choice();
      if (call.api() == Api.COMPLETION) {
        choice.put("text", now);
      } else {
        ObjectNode delta = choice.putObject("delta");
        if (!now.isEmpty()) {
          delta.put("content", now);
        }
        if (tools.calls().size() > callsTold) {
          ArrayNode all = delta.putArray("tool_calls");
          for (; callsTold < tools.calls().size(); callsTold++) {
            call(all.addObject().put("index", callsTold), callsTold);
          }
        }
      }
      if (odds.isEmpty()) {
        choice.putNull("logprobs");
      } else {
        choice.set("logprobs", logprobs());
        odds.clear();
      }
      if (reason.isPresent()) {
        choice.put("finish_reason", reason.get());
        tokenIds(choice);
      } else {
        choice.putNull("finish_reason");
      }
      return envelope(
          call.api() == Api.COMPLETION ? "text_completion" : "chat.completion.chunk", choice);
    }

    private void call(ObjectNode to, int i) {
      ToolCalls.Call made = tools.calls().get(i);
      to.put("id", "call_" + id + "_" + index + "_" + i);
      to.put("type", "function");
      to.putObject("function").put("name", made.name()).put("arguments", made.arguments());
    }

    private ObjectNode whole() {
      ObjectNode choice = choice();
      if (call.api() == Api.COMPLETION) {
        choice.put("text", content.toString());
      } else {
        ObjectNode message = choice.putObject("message");
        message.put("role", "assistant");
        if (content.isEmpty() && !tools.calls().isEmpty()) {
          message.putNull("content");
        } else {
          message.put("content", content.toString());
        }
        message.putNull("refusal");
        if (!tools.calls().isEmpty()) {
          ArrayNode all = message.putArray("tool_calls");
          for (int i = 0; i < tools.calls().size(); i++) {
            call(all.addObject(), i);
          }
        }
      }
      if (call.topLogprobs() >= 0) {
        choice.set("logprobs", logprobs());
      } else {
        choice.putNull("logprobs");
      }
      choice.put("finish_reason", finish.orElse("stop"));
      tokenIds(choice);
      return choice;
    }

    /// All at once at the end: whoever wants them reads the answer again.
    private void tokenIds(ObjectNode choice) {
      if (call.tokenIds()) {
        ArrayNode ids = choice.putArray("token_ids");
        for (int token : written.toArray()) {
          ids.add(token);
        }
      }
    }

    private Odds odds(float[] logits, int token) {
      double[] all = Sampler.logProbs(logits);
      List<Integer> top = new ArrayList<>();
      for (int k = 0; k < Math.min(call.topLogprobs(), all.length); k++) {
        int best = -1;
        for (int i = 0; i < all.length; i++) {
          if ((best < 0 || all[i] > all[best]) && !top.contains(i)) {
            best = i;
          }
        }
        top.add(best);
      }
      List<Double> values = new ArrayList<>();
      for (int i : top) {
        values.add(all[i]);
      }
      return new Odds(token, all[token], top, values);
    }

    private ObjectNode logprobs() {
      ObjectNode out = JSON.createObjectNode();
      if (call.api() == Api.CHAT) {
        ArrayNode content = out.putArray("content");
        for (Odds o : odds) {
          ObjectNode entry = content.addObject();
          token(entry, o.token, o.log);
          ArrayNode top = entry.putArray("top_logprobs");
          for (int i = 0; i < o.top.size(); i++) {
            token(top.addObject(), o.top.get(i), o.all.get(i));
          }
        }
        out.putNull("refusal");
        return out;
      }
      ArrayNode tokens = out.putArray("tokens");
      ArrayNode logs = out.putArray("token_logprobs");
      ArrayNode tops = out.putArray("top_logprobs");
      ArrayNode offsets = out.putArray("text_offset");
      for (Odds o : odds) {
        String shown = tokenizer.shown(o.token);
        tokens.add(shown);
        if (Double.isNaN(o.log)) {
          logs.addNull();
          tops.addNull();
        } else {
          logs.add(o.log);
          ObjectNode top = tops.addObject();
          for (int i = 0; i < o.top.size(); i++) {
            top.put(tokenizer.shown(o.top.get(i)), o.all.get(i));
          }
        }
        offsets.add(textOffset);
        textOffset += shown.length();
      }
      return out;
    }

    private void token(ObjectNode to, int token, double log) {
      to.put("token", tokenizer.shown(token));
      to.put("logprob", log);
      ArrayNode bytes = to.putArray("bytes");
      for (byte b : tokenizer.bytes(token)) {
        bytes.add(b & 0xff);
      }
    }
  }

  final String id;
  final ChatCall call;
  final List<Choice> choices = new ArrayList<>();
  volatile boolean cancelled;
  private final Tokenizer tokenizer;
  private final Answer answer;
  private final Outbox outbox;
  private final boolean stream;
  private final long seed;
  private final long createdS;
  private boolean over;

  Paper(
      Request request,
      ChatCall call,
      List<int[]> prompts,
      int context,
      long seed,
      long createdS,
      Tokenizer tokenizer,
      Answer answer,
      Outbox outbox) {
    this.id = request.id();
    this.call = call;
    this.tokenizer = tokenizer;
    this.answer = answer;
    this.outbox = outbox;
    this.stream = request.stream();
    this.seed = seed;
    this.createdS = createdS;
    for (int p = 0; p < prompts.size(); p++) {
      int[] prompt = prompts.get(p);
      int room = context - prompt.length;
      int most = call.maxTokens() == 0 ? room : Math.min(room, call.maxTokens());
      for (int i = 0; i < call.choices(); i++) {
        int index = p * call.choices() + i;
        choices.add(new Choice(index, p, prompt, most, seed + index));
      }
    }
  }

  /// Whether it has been told its end.
  boolean over() {
    return over;
  }

  void begin(Choice choice) {
    if (choice.wantsPromptOdds()) {
      choice.promptOdds.addFirst(new Odds(choice.tokens.get(0), Double.NaN, List.of(), List.of()));
    }
    choice.begin();
  }

  private boolean allFinished() {
    for (Choice choice : choices) {
      if (choice.finish.isEmpty()) {
        return false;
      }
    }
    return true;
  }

  /// What it used so far.
  Claim claim() {
    long prompt = 0;
    long cached = 0;
    long written = 0;
    int last = -1;
    for (Choice choice : choices) {
      written += choice.claimed();
      if (choice.promptIndex != last) {
        last = choice.promptIndex;
        prompt += choice.promptLength;
        cached += choice.cached;
      }
    }
    return Claim.tokens(prompt, cached, written);
  }

  void fail(Failure failure) {
    if (!over) {
      over = true;
      Claim claim = claim();
      outbox.put(() -> answer.failed(failure, claim));
    }
  }

  private void complete() {
    if (over) {
      return;
    }
    over = true;
    Claim claim = claim();
    if (!stream) {
      ObjectNode whole =
          envelope(call.api() == Api.COMPLETION ? "text_completion" : "chat.completion", null);
      for (Choice choice : choices) {
        whole.withArray("choices").add(choice.whole());
      }
      usage(whole, claim);
      send(whole);
    } else if (call.usage()) {
      ObjectNode last =
          envelope(
              call.api() == Api.COMPLETION ? "text_completion" : "chat.completion.chunk", null);
      usage(last, claim);
      send(last);
    }
    outbox.put(() -> answer.done(claim));
  }

  private void usage(ObjectNode to, Claim claim) {
    ObjectNode usage = to.putObject("usage");
    usage.put("prompt_tokens", claim.promptTokens());
    usage.put("completion_tokens", claim.completionTokens());
    usage.put("total_tokens", claim.promptTokens() + claim.completionTokens());
    usage.putObject("prompt_tokens_details").put("cached_tokens", claim.cachedTokens());
    to.put("perseid_seed", seed);
  }

  private ObjectNode envelope(String object, @Nullable ObjectNode choice) {
    ObjectNode out = JSON.createObjectNode();
    out.put("id", (call.api() == Api.COMPLETION ? "cmpl-" : "chatcmpl-") + id);
    out.put("object", object);
    out.put("created", createdS);
    out.put("model", call.model());
    ArrayNode choices = out.putArray("choices");
    if (choice != null) {
      choices.add(choice);
    }
    if (stream && call.usage()) {
      out.putNull("usage");
    }
    return out;
  }

  private void send(ObjectNode node) {
    try {
      byte[] json = JSON.writeValueAsBytes(node);
      outbox.put(() -> answer.part(json));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }
}
