import torch
from torch import nn

from stages.weights.cpu_training import QuickDropout, keep_labelled_logits, quicken_dropout
from tests.weights.tiny import tiny_model


def loss_and_gradient(model, **batch):
    model.zero_grad()
    loss = model(**batch).loss
    loss.backward()
    return loss.item(), model.model.layers[0].self_attn.q_proj.weight.grad.clone()


def test_logits_at_labels_alone_give_the_same_loss_and_gradients():
    torch.manual_seed(3)
    ids = torch.randint(3, 200, (2, 20))
    labels = ids.clone()
    labels[0, :9] = labels[1, 4:17] = -100
    whole = loss_and_gradient(tiny_model(), input_ids=ids, labels=labels)
    model = tiny_model()
    keep_labelled_logits(model)
    assert model(input_ids=ids, labels=labels).logits.shape[1] < 20
    part = loss_and_gradient(model, input_ids=ids, labels=labels)
    assert abs(whole[0] - part[0]) < 1e-6
    assert torch.allclose(whole[1], part[1], atol=1e-7)


def test_the_loss_of_an_accumulated_batch_is_still_divided_by_all_its_labels():
    torch.manual_seed(3)
    ids = torch.randint(3, 200, (2, 20))
    labels = ids.clone()
    labels[:, :9] = -100
    items = torch.tensor(57)
    whole = tiny_model()(input_ids=ids, labels=labels, num_items_in_batch=items).loss.item()
    model = tiny_model()
    keep_labelled_logits(model)
    assert abs(model(input_ids=ids, labels=labels, num_items_in_batch=items).loss.item() - whole) < 1e-6


def test_without_labels_all_logits_are_there():
    model = tiny_model()
    keep_labelled_logits(model)
    assert model(input_ids=torch.tensor([[5, 6, 7]])).logits.shape == (1, 3, 259)


def test_quick_dropout_drops_the_asked_share_and_keeps_the_mean():
    torch.manual_seed(0)
    out = QuickDropout(0.05)(torch.ones(1001, 1001))
    assert abs((out == 0).float().mean().item() - 0.05) < 0.001
    assert abs(out.mean().item() - 1) < 0.001
    assert abs(out.max().item() - 1 / 0.95) < 1e-6


def test_quick_dropout_repeats_with_the_seed_and_passes_all_in_evaluation():
    x, dropout = torch.randn(7, 33), QuickDropout(0.3)
    torch.manual_seed(4)
    first = dropout(x)
    torch.manual_seed(4)
    assert torch.equal(first, dropout(x))
    assert not torch.equal(first, dropout(x))
    assert torch.equal(dropout.eval()(x), x)


def test_every_lora_dropout_is_replaced_with_its_own_probability():
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(tiny_model(), LoraConfig(r=2, lora_dropout=0.1, target_modules=["q_proj", "v_proj"]))
    quicken_dropout(model)
    found = [m for m in model.modules() if isinstance(m, QuickDropout)]
    assert [m.p for m in found] == [0.1] * 8
    assert not any(isinstance(m, nn.Dropout) for m in model.modules())
