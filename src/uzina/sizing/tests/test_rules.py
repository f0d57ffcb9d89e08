"""The estimator against published runs, and at its edges."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.core.errors import Invalid, Refused
from uzina.sizing import queries, rules
from uzina.sizing.rules import Architecture, Method, Precision, Question

A100, H100, CPU = (queries.device(slug) for slug in ("a100-80", "h100", "cpu-core"))

PUBLISHED = [
    ("LLaMA 7B, arXiv:2302.13971 table 15", 6.7e9, 1e12, A100, 82_432),
    ("LLaMA 65B, arXiv:2302.13971 table 15", 65.2e9, 1.4e12, A100, 1_022_362),
    ("Llama 2 7B, model card", 6.74e9, 2e12, A100, 184_320),
    ("Llama 2 13B, model card", 13e9, 2e12, A100, 368_640),
    ("Llama 3 70B, model card", 70.6e9, 15e12, H100, 6_400_000),
    ("Llama 3.1 405B, model card", 406e9, 15.6e12, H100, 30_840_000),
    ("Pythia 1B, arXiv:2304.01373 table 5", 1.01e9, 300e9, A100, 4_830),
    ("Pythia 12B, arXiv:2304.01373 table 5", 11.8e9, 300e9, A100, 72_300),
    ("BLOOM 176B, arXiv:2211.05100 section 3.4.1", 176e9, 366e9, A100, 1_082_990),
    ("MPT 7B, MosaicML", 6.7e9, 1e12, A100, 100_320),
    ("StarCoderBase 15.5B, arXiv:2305.06161 section 5.7", 15.5e9, 1e12, A100, 320_256),
    ("TinyLlama 1.1B, project page", 1.1e9, 300e9, A100, 3_456),
]


@pytest.mark.parametrize(("name", "parameters", "tokens", "device", "reported"), PUBLISHED)
def test_a_published_run_lies_within_the_stated_range(name, parameters, tokens, device, reported):
    answer = rules.training_gpu_hours(int(parameters), int(tokens), device)

    assert answer.low <= reported <= answer.high, name


def test_the_median_error_over_the_published_runs_is_below_a_factor_of_one_and_a_half():
    factors = sorted(
        math.exp(abs(math.log(rules.training_gpu_hours(int(n), int(d), device).middle / reported)))
        for _, n, d, device, reported in PUBLISHED
    )

    assert factors[len(factors) // 2] < 1.5
    assert factors[-1] < 2


def test_a_small_model_on_a_laptop_core_takes_the_seconds_that_were_measured():
    """13.77 million parameters, 80.2 MFLOP a token, 719 tokens per CPU second were measured."""
    hours = rules.training_gpu_hours(13_770_000, 719 * 3600, CPU)

    assert hours.low < 1 < hours.high


@given(
    parameters=st.integers(1, rules.LARGEST_PARAMETERS),
    tokens=st.integers(1, rules.LARGEST_TOKENS),
    device=st.sampled_from(list(queries.devices().values())),
)
def test_the_range_is_ordered_and_finite_for_everything_that_may_be_asked(
    parameters, tokens, device
):
    answer = rules.training_gpu_hours(parameters, tokens, device)

    assert 0 < answer.low < answer.middle < answer.high < math.inf
    assert rules.gpu_hours_to_ask(answer.middle) >= answer.middle


@pytest.mark.parametrize(
    ("parameters", "tokens", "fields"),
    [
        (0, 1, ["parameters"]),
        (1, 0, ["tokens"]),
        (rules.LARGEST_PARAMETERS + 1, rules.LARGEST_TOKENS + 1, ["parameters", "tokens"]),
    ],
)
def test_counts_out_of_range_are_all_named(parameters, tokens, fields):
    with pytest.raises(Invalid) as invalid:
        rules.training_gpu_hours(parameters, tokens, A100)

    assert [problem.field for problem in invalid.value.problems] == fields


@pytest.mark.parametrize(
    ("question", "code"),
    [
        (Question(10**9, 10**9, method=Method.DISTILLATION), "sizing.estimate.distillation"),
        (Question(10**9, 10**9, method=Method.REINFORCEMENT), "sizing.estimate.reinforcement"),
        (Question(10**9, 10**9, precision=Precision.FP8), "sizing.estimate.precision"),
        (
            Question(10**9, 10**9, architecture=Architecture.MIXTURE),
            "sizing.estimate.mixture_without_active",
        ),
        (Question(10**9, 10**9, context_length=10**6), "sizing.estimate.context_too_long"),
    ],
)
def test_what_the_formula_cannot_say_is_refused_with_a_reason(question, code):
    with pytest.raises(Refused) as refused:
        rules.estimate(question, H100)

    assert refused.value.code == code
    assert str(refused.value)


def test_the_refused_kinds_are_those_where_the_formula_misses_published_runs():
    """Llama 3.2 1B (distilled) took 370,000 H100-hours, far above the range: hence the refusal."""
    answer = rules.training_gpu_hours(1_230_000_000, 9 * 10**12, H100)

    assert answer.high < 370_000


def test_a_mixture_counts_its_active_parameters_and_says_so():
    mixture = Question(
        671 * 10**9, 10**12, architecture=Architecture.MIXTURE, active_parameters=37 * 10**9
    )
    dense = rules.estimate(Question(37 * 10**9, 10**12), H100)

    answer = rules.estimate(mixture, H100)

    assert answer.middle == dense.middle
    assert rules.MIXTURE in answer.caveats
    assert rules.MIXTURE not in dense.caveats


@pytest.mark.parametrize("active", [0, 10**9 + 1])
def test_active_parameters_lie_within_the_total(active):
    question = Question(10**9, 10**9, architecture=Architecture.MIXTURE, active_parameters=active)

    with pytest.raises(Invalid):
        rules.estimate(question, H100)


def test_the_context_is_refused_just_where_attention_leaves_the_range():
    parameters = 7 * 10**9
    longest = max(
        context
        for context in range(28_000, 32_000)
        if rules.attention_share(parameters, context) <= rules.FACTOR - 1
    )

    rules.check_context(parameters, longest)
    with pytest.raises(Refused):
        rules.check_context(parameters, longest + 1)


def test_adapters_and_untried_devices_carry_their_caveat():
    lora = Question(10**9, 10**9, method=Method.LORA)

    assert rules.estimate(lora, H100).caveats == (rules.ADAPTERS,)
    assert rules.estimate(lora, queries.device("mi250x")).caveats == (
        rules.PILOT,
        rules.ADAPTERS,
    )


def test_an_eight_billion_model_needs_119_gib_of_state_and_three_devices():
    fit = rules.memory_fit(8 * 10**9, 2, H100, method=Method.PRETRAINING)

    assert round(fit.state_gib) == 119
    assert (fit.fits, fit.least_devices) == (False, 3)
    assert rules.memory_fit(8 * 10**9, 3, H100, method=Method.PRETRAINING).fits
    assert rules.memory_fit(8 * 10**9, 1, H100, method=Method.LORA).fits


def test_energy_counts_hours_draw_and_site():
    assert rules.energy_kwh(1000, H100, pue=1.0) == pytest.approx(560)
    assert rules.energy_kwh(1000, H100, pue=1.2, watts=500) == pytest.approx(600)
    assert rules.co2_kg(600, grams_per_kwh=250) == pytest.approx(150)


@pytest.mark.parametrize(("hours", "pue"), [(1, 0.99), (-1, 1.1)])
def test_energy_refuses_figures_that_cannot_be(hours, pue):
    with pytest.raises(ValueError, match="PUE"):
        rules.energy_kwh(hours, H100, pue=pue)


@pytest.mark.parametrize(
    ("net", "ask"), [(0.0001, 1), (0.4, 1), (1, 3), (100, 250), (1234, 3100), (2000, 5000)]
)
def test_what_to_ask_for_adds_overhead_and_development_and_rounds_up(net, ask):
    assert rules.gpu_hours_to_ask(net) == ask


def test_a_priors_file_with_mistakes_names_them_all():
    with pytest.raises(Invalid) as invalid:
        rules.parse_priors(
            {
                "devices": [
                    {"slug": "x"},
                    {
                        "slug": "y",
                        "title": "Y",
                        "family": "y",
                        "peak_tflops": 0,
                        "mfu": [0.3, 0.4, 0.5],
                        "runs": 1,
                        "watts": 1,
                        "memory_gib": 1,
                        "source": "none",
                    },
                ]
            }
        )

    assert [problem.code for problem in invalid.value.problems] == [
        "sizing.prior.unreadable",
        "sizing.prior.order",
        "sizing.prior.range",
    ]


def test_an_unknown_device_is_told_which_there_are():
    with pytest.raises(Invalid) as invalid:
        queries.device("abacus")

    assert "h100" in str(invalid.value.problems[0])
