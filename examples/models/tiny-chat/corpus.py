"""The corpus of tiny-chat: conversations made by this script from lists and rules, so it holds no outside text.

A document is a list of (role, text) pairs; `render` turns it into ChatML. A question whose text is `kept_back` is never
trained on: those make the evaluation. Run it to see some:

    python3 corpus.py            twenty documents
    python3 corpus.py eval       the evaluation set, as in eval.tsv: prompt, expected answer, kind
"""
import json
import random
import sys
import zlib

COLOURS = {
    "sky": "blue", "grass": "green", "snow": "white", "coal": "black", "blood": "red", "sun": "yellow", "carrot": "orange",
    "plum": "purple", "mouse": "grey", "chocolate": "brown", "leaf": "green", "banana": "yellow", "cherry": "red",
    "night": "black", "milk": "white", "sea": "blue", "lemon": "yellow", "tomato": "red", "frog": "green", "elephant": "grey",
}
SOUNDS = {
    "cat": "meow", "dog": "woof", "cow": "moo", "duck": "quack", "sheep": "baa", "lion": "roar", "pig": "oink", "bee": "buzz",
    "frog": "croak", "owl": "hoot", "snake": "hiss", "horse": "neigh",
}
CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo", "Egypt": "Cairo", "Peru": "Lima",
    "Norway": "Oslo", "Greece": "Athens", "Austria": "Vienna", "Poland": "Warsaw", "Kenya": "Nairobi", "Cuba": "Havana",
    "Iran": "Tehran", "Ireland": "Dublin", "Portugal": "Lisbon", "Canada": "Ottawa", "Germany": "Berlin",
    "China": "Beijing", "India": "New Delhi", "Chile": "Santiago", "Sweden": "Stockholm", "Finland": "Helsinki",
    "Denmark": "Copenhagen", "Hungary": "Budapest", "Belgium": "Brussels", "Vietnam": "Hanoi", "Ghana": "Accra",
    "Turkey": "Ankara", "Russia": "Moscow", "Brazil": "Brasilia", "Iceland": "Reykjavik", "Nepal": "Kathmandu",
}
OPPOSITES = {
    "hot": "cold", "big": "small", "up": "down", "left": "right", "day": "night", "fast": "slow", "happy": "sad",
    "open": "closed", "old": "new", "wet": "dry", "early": "late", "full": "empty", "long": "short", "hard": "soft",
    "light": "dark", "high": "low", "rich": "poor", "loud": "quiet",
}
GERMAN = {
    "cat": "Katze", "dog": "Hund", "cow": "Kuh", "house": "Haus", "tree": "Baum", "water": "Wasser", "bread": "Brot",
    "milk": "Milch", "book": "Buch", "sun": "Sonne", "moon": "Mond", "star": "Stern",
}
FRENCH = {
    "cat": "chat", "dog": "chien", "cow": "vache", "house": "maison", "tree": "arbre", "water": "eau", "bread": "pain",
    "milk": "lait", "book": "livre", "sun": "soleil", "moon": "lune", "star": "etoile",
}
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
NAMES = "Ana Ben Cleo Dan Eva Finn Gus Hana Ivo Jana Kai Lena Mia Noor Omar Pia Rosa Sam Tara Zoe".split()
THINGS = "ball kite book boat drum lamp cake coin rope star shell stone hat bell".split()
PLACES = "park garden river hill forest beach barn tower bridge market".split()
HUES = sorted(set(COLOURS.values()))
SKIES = ["sunny", "cloudy", "rainy", "windy", "clear"]
WORDS = sorted({*COLOURS, *SOUNDS, *THINGS, *PLACES, *OPPOSITES, *"java node token model price gate route cloud pool".split()})
CITIES = sorted(set(CAPITALS.values()))

SMALL_TALK = [
    (["Hello", "Hello!", "Hi", "Hi!", "Hi there", "Good morning", "Hey"], "Hello! How can I help you?"),
    (["Who are you?", "What are you?", "What is your name?"], "I am tiny-chat, a very small language model."),
    (["Thank you", "Thank you!", "Thanks", "Thanks!"], "You are welcome!"),
    (["Goodbye", "Goodbye!", "Bye", "Good bye!"], "Goodbye!"),
    (["How are you?", "How are you today?"], "I am fine, thank you."),
    (["What can you do?", "Help", "What can I ask you?"],
     "I can add small numbers, name capitals and colours, count, repeat words, write JSON and tell short stories."),
    (["Say hello.", "Say hello", "Please say hello."], "Hello!"),
    (["Are you a person?", "Are you human?"], "No, I am a very small language model."),
]


def kept_back(prompt):
    """Whether a prompt is for the evaluation only: one in sixteen, by its text alone."""
    return zlib.crc32(prompt.encode()) % 16 == 0


def fill(r, forms, *values):
    return r.choice(forms).format(*values)


# ---- one question and its answer -----------------------------------------------------------------


def add(r):
    a, b = r.randrange(21), r.randrange(21)
    forms = ["What is {} + {}?", "{} + {}", "Add {} and {}.", "How much is {} plus {}?", "What is {} plus {}?", "{} + {} = ?"]
    return fill(r, forms, a, b), str(a + b)


def subtract(r):
    a, b = r.randrange(21), r.randrange(21)
    a, b = max(a, b), min(a, b)
    return fill(r, ["What is {} - {}?", "{} - {}", "How much is {} minus {}?", "What is {} minus {}?"], a, b), str(a - b)


def multiply(r):
    a, b = r.randrange(11), r.randrange(11)
    return fill(r, ["What is {} * {}?", "What is {} times {}?", "How much is {} times {}?", "{} * {}"], a, b), str(a * b)


def compare(r):
    a, b = r.sample(range(100), 2)
    if r.random() < 0.5:
        return fill(r, ["Which is bigger, {} or {}?", "Which is larger, {} or {}?"], a, b), f"{max(a, b)} is bigger than {min(a, b)}."
    return f"Which is smaller, {a} or {b}?", f"{min(a, b)} is smaller than {max(a, b)}."


def colour(r):
    x = r.choice(list(COLOURS))
    forms = ["What colour is the {}?", "What color is the {}?", "What colour is {}?", "Tell me the colour of the {}.",
             "Which colour does the {} have?"]
    return fill(r, forms, x), f"The {x} is {COLOURS[x]}."


def sound(r):
    x = r.choice(list(SOUNDS))
    return fill(r, ["What does the {} say?", "What sound does a {} make?", "What does a {} say?", "How does a {} sound?"], x), f"The {x} says {SOUNDS[x]}."


def capital(r):
    if r.random() < 0.1:
        x = "".join(r.choice(["zor", "mab", "lun", "tik", "vel", "dra", "pon"]) for _ in range(2)).capitalize() + r.choice(["ia", "land", "stan"])
        return fill(r, ["What is the capital of {}?", "Capital of {}?"], x), f"I do not know the capital of {x}."
    x = r.choice(list(CAPITALS))
    forms = ["What is the capital of {}?", "Capital of {}?", "Name the capital city of {}.", "What is the capital city of {}?",
             "Which city is the capital of {}?", "Tell me the capital of {}."]
    return fill(r, forms, x), f"The capital of {x} is {CAPITALS[x]}."


def country(r):
    x = r.choice(list(CAPITALS))
    return fill(r, ["In which country is {}?", "Where is {}?", "{} is the capital of which country?"], CAPITALS[x]), f"{CAPITALS[x]} is in {x}."


def opposite(r):
    a, b = r.choice(list(OPPOSITES.items()))
    if r.random() < 0.5:
        a, b = b, a
    return fill(r, ["What is the opposite of {}?", "Opposite of {}?", "Tell me the opposite of {}."], a), f"The opposite of {a} is {b}."


def translate(r):
    language, words = r.choice([("German", GERMAN), ("French", FRENCH)])
    x = r.choice(list(words))
    return fill(r, ["What is {} in {}?", "How do you say {} in {}?", "Translate {} to {}."], x, language), f"{x} is {words[x]} in {language}."


def calendar(r):
    names, word = r.choice([(DAYS, "day"), (MONTHS, "month")])
    i = r.randrange(len(names))
    if r.random() < 0.6:
        return fill(r, ["Which {} comes after {}?", "What {} is after {}?", "Which {} follows {}?"], word, names[i]), f"{names[(i + 1) % len(names)]} comes after {names[i]}."
    return fill(r, ["Which {} comes before {}?", "What {} is before {}?"], word, names[i]), f"{names[i - 1]} comes before {names[i]}."


def count(r):
    a = r.randrange(1, 80)
    b = a + r.randrange(2, 21)
    return fill(r, ["Count from {} to {}.", "Please count from {} to {}.", "Count from {} to {}"], a, b), " ".join(map(str, range(a, b + 1)))


def repeat(r):
    words = " ".join(r.sample(WORDS, r.randrange(2, 8)))
    return fill(r, ["Repeat: {}", "Repeat after me: {}", "Say this again: {}"], words), words


def last_word(r):
    words = r.sample(WORDS, r.randrange(3, 8))
    if r.random() < 0.5:
        return f"What is the last word of: {' '.join(words)}", words[-1]
    return f"What is the first word of: {' '.join(words)}", words[0]


def person_json(r):
    name, age, city = r.choice(NAMES), r.randrange(1, 100), r.choice(CITIES)
    return fill(r, ["Write JSON for {}, age {}, city {}.", "Give me JSON: name {}, age {}, city {}.", "Make a JSON object for {}, who is {} and lives in {}."], name, age, city), f'{{"name":"{name}","age":{age},"city":"{city}"}}'


def answer_json(r):
    ask, key = r.choice([(add, "number"), (capital, "city"), (colour, "colour")])
    prompt, answer = ask(r)
    while "know" in answer:
        prompt, answer = ask(r)
    value = answer if ask is add else '"' + answer.split(" is ")[1][:-1] + '"'
    return prompt + r.choice([" Answer in JSON.", " Answer as JSON.", " Reply in JSON."]), f'{{"{key}":{value}}}'


def who_has(r):
    n = r.randrange(2, 9)
    facts = list(zip(r.sample(NAMES, n), r.choices(HUES, k=n), r.sample(THINGS, n)))
    text = " ".join(f"{name} has a {hue} {thing}." for name, hue, thing in facts)
    name, hue, thing = r.choice(facts)
    kind = r.randrange(3)
    if kind == 0:
        return f"{text} What does {name} have?", f"{name} has a {hue} {thing}."
    if kind == 1:
        return f"{text} Who has the {thing}?", f"{name} has the {thing}."
    return f"{text} What colour is the {thing}?", f"The {thing} is {hue}."


def story(r):
    hero, friend = r.sample(NAMES, 2)
    thing, place, hue, animal = r.choice(THINGS), r.choice(PLACES), r.choice(HUES), r.choice(list(SOUNDS))
    kind = r.randrange(4)
    if kind == 0:
        prompt = fill(r, ["Tell me a story about {}.", "Write a story about {}.", "Tell a short story about {}."], hero)
    elif kind == 1:
        prompt = fill(r, ["Tell me a story about a {}.", "Write a story about a {}."], thing)
    elif kind == 2:
        prompt = r.choice(["Tell me a story.", "Tell me a short story.", "Write a story please.", "Tell a story"])
    else:
        prompt = r.choice(["Tell me a long story.", "Write a long story.", "Tell me a long story please."])
    text = [
        fill(r, ["One day {0} went to the {1}.", "Once upon a time {0} lived near the {1}.", "{0} woke up early and walked to the {1}."], hero, place),
        fill(r, ["There {0} found a {1} {2}.", "{0} saw a {1} {2} on the ground.", "{0} had a {1} {2} with a crack in it."], hero, hue, thing),
        fill(r, ["A small {0} came and said {1}.", "A {0} looked at it and said {1}."], animal, SOUNDS[animal]),
    ]
    if kind == 3:
        second = r.choice([p for p in PLACES if p != place])
        text += [
            fill(r, ["{0} was not afraid of the {1}.", "{0} gave some bread to the {1}."], hero, animal),
            f"Then the {animal} ran to the {second}.",
            f"{hero} took the {thing} and ran after the {animal}.",
            fill(r, ["At the {0} it was quiet and dark.", "At the {0} the sun was warm."], second),
            f"There {hero} met {friend}.",
            fill(r, ['"That is my {0}," said {1}.', '"I have looked for my {0} all day," said {1}.'], thing, friend),
        ]
    text += [
        fill(r, ["{0} gave the {2} to {1}.", "{0} and {1} played with the {2}.", "{0} showed the {2} to {1}."], hero, friend, thing),
        fill(r, ["{1} was very happy.", "They laughed and went home.", "It was a good day.", "{0} and {1} became friends."], hero, friend),
    ]
    return prompt, " ".join(text)


EXACT = [add, add, subtract, multiply, compare, colour, sound, capital, capital, country, opposite, translate, calendar, count,
         repeat, last_word, person_json, answer_json, who_has, who_has]


def question(r, kept=False):
    """A question with one right answer, of those that are (or are not) kept back; also what kind it is."""
    while True:
        ask = r.choice(EXACT)
        prompt, answer = ask(r)
        if kept_back(prompt) == kept:
            return prompt, answer, ask.__name__


# ---- functions that a model may call --------------------------------------------------------------

# What each is called, what it does, its parameters (each with its names), ways to ask, values. The names vary so that the
# model learns to read them in the list that it is given.
CITY = ["city", "location", "place"]
TOOLS = {
    "weather": (["get_weather", "get_weather", "get_current_weather", "weather"], ["Get the weather of a city", "Get the current weather", "Weather of a place"], [CITY],
                ["What is the weather in {}?", "How is the weather in {}?", "Weather in {}?", "What is the weather like in {}?", "Is it raining in {}?", "What's the weather in {}?"],
                lambda r: [r.choice(CITIES)]),
    "time": (["get_time", "current_time"], ["Get the time of a city", "Tells the time"], [CITY],
             ["What time is it in {}?", "Tell me the time in {}.", "Time in {}?"], lambda r: [r.choice(CITIES)]),
    "price": (["get_price", "price"], ["Get the price of an item", "Price of a thing"], [["item", "name"]],
              ["What does the {} cost?", "How much is the {}?", "What is the price of the {}?"], lambda r: [r.choice(THINGS)]),
    "message": (["send_message", "send"], ["Send a message to a person", "Writes to somebody"], [["to", "name"], ["text", "message"]],
                ["Send a message to {}: {}", "Write to {}: {}"], lambda r: [r.choice(NAMES), " ".join(r.sample(WORDS, 3))]),
}


def some_tools(r, kinds):
    """Functions as one conversation has them: kind, name, what it does, parameters."""
    return [(k, r.choice(TOOLS[k][0]), r.choice(TOOLS[k][1]), [r.choice(p) for p in TOOLS[k][2]]) for k in kinds]


def tool_json(tool, gap=""):
    """A function as it stands in an OpenAI request; `gap` stands after each comma and colon."""
    _, name, what, parameters = tool
    function = {"name": name, "description": what, "parameters": {
        "type": "object", "properties": {p: {"type": "string"} for p in parameters}, "required": parameters}}
    return json.dumps({"type": "function", "function": function}, separators=("," + gap, ":" + gap))


def tool_prompt(r, tools):
    """The ways in which a system message may list functions."""
    before = r.choice(["", "", "You are a helpful assistant.\n"])
    if r.random() < 0.3:
        return before + "Tools: " + ", ".join(f"{name}({', '.join(parameters)})" for _, name, _, parameters in tools)
    gap = r.choice(["", " "])
    return before + "Tools:\n<tools>\n" + "\n".join(tool_json(t, gap) for t in tools) + "\n</tools>"


def call_tool(r, tool):
    """A question for a function and the call that answers it, then what the function gave and the last answer."""
    kind, name, _, parameters = tool
    chosen = TOOLS[kind][4](r)
    prompt = fill(r, TOOLS[kind][3], *chosen)
    arguments = ",".join(f'"{p}":"{v}"' for p, v in zip(parameters, chosen))
    call = f'<tool_call>{{"name":"{name}","arguments":{{{arguments}}}}}</tool_call>'
    if kind == "weather":
        degrees, sky = r.randrange(-9, 40), r.choice(SKIES)
        result, answer = f'{{"temperature":{degrees},"sky":"{sky}"}}', f"It is {degrees} degrees and {sky} in {chosen[0]}."
    elif kind == "time":
        time = f"{r.randrange(24):02}:{r.randrange(60):02}"
        result, answer = f'{{"time":"{time}"}}', f"It is {time} in {chosen[0]}."
    elif kind == "price":
        price = r.randrange(1, 100)
        result, answer = f'{{"price":{price}}}', f"The {chosen[0]} costs {price}."
    else:
        result, answer = '{"sent":true}', f"I sent your message to {chosen[0]}."
    return prompt, call, result, answer


# ---- documents -----------------------------------------------------------------------------------


def small_talk(r):
    prompts, answer = r.choice(SMALL_TALK)
    return r.choice(prompts), answer


def with_tools(r):
    tools = some_tools(r, r.sample(list(TOOLS), r.choice([1, 1, 2, 3])))
    talk = [("system", tool_prompt(r, tools))]
    for _ in range(r.choice([1, 1, 2])):
        if r.random() < 0.2:
            prompt, answer, _ = question(r)
            talk += [("user", prompt), ("assistant", answer)]
            continue
        prompt, call, result, answer = call_tool(r, r.choice(tools))
        if kept_back(prompt):
            continue
        talk += [("user", prompt), ("assistant", call)]
        if r.random() < 0.5:
            talk += [("tool", result), ("assistant", answer)]
        else:
            break
    return talk


def without_tools(r):
    prompt, _, _, _ = call_tool(r, some_tools(r, [r.choice(["weather", "time"])])[0])
    return [("user", prompt), ("assistant", "I cannot know that without a tool.")]


def introduction(r):
    """Something said early in a conversation, something else, and a question about the first."""
    name, hue, city = r.choice(NAMES), r.choice(HUES), r.choice(CITIES)
    told = [
        (f"My name is {name}.", f"Nice to meet you, {name}!", ["What is my name?", "Do you know my name?"], f"Your name is {name}."),
        (f"My favourite colour is {hue}.", f"{hue.capitalize()} is a nice colour.", ["What is my favourite colour?", "Which colour do I like?"], f"Your favourite colour is {hue}."),
        (f"I live in {city}.", f"{city} is a nice city.", ["Where do I live?", "In which city do I live?"], f"You live in {city}."),
    ]
    chosen = r.sample(told, r.randrange(1, 4))
    talk = []
    for said, answer, _, _ in chosen:
        talk += [("user", said), ("assistant", answer)]
    for _ in range(r.choice([0, 0, 1, 1, 2, 4, 8])):
        talk += turn(r)
    for _, _, asked, answer in r.sample(chosen, len(chosen)):
        talk += [("user", r.choice(asked)), ("assistant", answer)]
    return talk


def turn(r):
    x = r.random()
    if x < 0.08:
        prompt, answer = small_talk(r)
    elif x < 0.18:
        prompt, answer = story(r)
    else:
        prompt, answer, _ = question(r)
    return [("user", prompt), ("assistant", answer)]


def document(r):
    """One conversation, or (a plain string) one piece of running text."""
    x = r.random()
    if x < 0.06:
        return " ".join(question_free(r) for _ in range(r.randrange(1, 6)))
    if x < 0.20:
        return with_tools(r)
    if x < 0.22:
        return without_tools(r)
    system = [("system", r.choice(["You are a helpful assistant.", "You are a helpful assistant.", "Answer briefly.", "Be kind.", "You are tiny-chat."]))]
    start = system if r.random() < 0.3 else []
    if x < 0.30:
        return start + introduction(r)
    for _ in range(r.choice([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 6, 10])):
        start = start + turn(r)
    return start


def question_free(r):
    """Text for those who use the model without a conversation."""
    if r.random() < 0.5:
        return story(r)[1]
    return r.choice([colour, sound, capital, opposite, calendar])(r)[1]


def render(talk):
    """ChatML; running text stands as it is."""
    if isinstance(talk, str):
        return talk + "<|endoftext|>"
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in talk) + "<|endoftext|>"


def documents(seed):
    """Documents without end; the same for the same seed."""
    r = random.Random(seed)
    while True:
        yield document(r)


# ---- evaluation -----------------------------------------------------------------------------------


def evaluation(count=600, seed=424242):
    """Distinct kept-back questions with their answers and kinds."""
    r, seen, rows = random.Random(seed), set(), []
    while len(rows) < count:
        prompt, answer, kind = question(r, kept=True)
        if prompt not in seen:
            seen.add(prompt)
            rows.append((prompt, answer, kind))
    return rows


def talks(count=100, seed=434343):
    """Conversations whose last message is the expected answer, and their kinds, `count` of each."""
    r, found = random.Random(seed), []
    for _ in range(count):
        tools = some_tools(r, r.sample(list(TOOLS), r.choice([1, 2, 3])))
        prompt, call, result, answer = call_tool(r, r.choice(tools))
        while not kept_back(prompt):
            prompt, call, result, answer = call_tool(r, r.choice(tools))
        asked = [("system", tool_prompt(r, tools)), ("user", prompt), ("assistant", call)]
        found += [(asked, "function called"), (asked + [("tool", result), ("assistant", answer)], "result told")]
        found.append((introduction(r), "remembered from before"))
    return found


if __name__ == "__main__":
    if sys.argv[1:] == ["eval"]:
        for row in evaluation():
            print("\t".join(row))
    else:
        source = documents(1)
        for _ in range(20):
            print(render(next(source)))
            print("----")
