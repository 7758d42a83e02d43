from engine.network.plan.foreign import ForeignPlan, foreign_plan
from engine.network.plan.operations import Accept, AddRule, Established, InterfaceMatch, Published

ENTERING, LEAVING = InterfaceMatch("iif", "tuidock0"), InterfaceMatch("oif", "tuidock0")
AMONG = ("-i", "tuidock0", "-o", "tuidock0", "-j", "ACCEPT")
ANSWERS = ("-o", "tuidock0", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
PUBLISHED = ("-o", "tuidock0", "-m", "conntrack", "--ctstate", "DNAT", "-j", "ACCEPT")
OUT = ("-i", "tuidock0", "-j", "ACCEPT")


def accepts(*matches):
    return AddRule("", "", matches, Accept())


def test_a_bridge_passes_and_what_docker_keeps_apart_stays_dockers():
    assert foreign_plan("tuidock0", ("ip",)) == ForeignPlan(
        mark="tuidock:tuidock0",
        docker=(
            AMONG,
            ANSWERS,
            PUBLISHED,
            ("-i", "tuidock0", "-o", "docker+", "-j", "RETURN"),
            ("-i", "tuidock0", "-o", "br-+", "-j", "RETURN"),
            OUT,
        ),
        forward=(AMONG, ANSWERS, PUBLISHED, OUT),
        rules=(
            accepts(ENTERING, LEAVING),
            accepts(LEAVING, Established()),
            accepts(LEAVING, Published()),
            accepts(ENTERING),
        ),
        families=("ip",),
    )


def test_an_internal_bridge_passes_only_what_stays_on_it():
    assert foreign_plan("tuidock0", ("ip", "ip6"), internal=True) == ForeignPlan(
        mark="tuidock:tuidock0",
        docker=(AMONG,),
        forward=(AMONG,),
        rules=(accepts(ENTERING, LEAVING),),
        families=("ip", "ip6"),
    )


def test_an_uplink_called_like_a_bridge_of_dockers_leads_out():
    plan = foreign_plan("tuidock0", ("ip",), uplinks=("br-lan", "eth0"))
    assert plan.docker[3] == ("-i", "tuidock0", "-o", "br-lan", "-j", "ACCEPT")
    assert plan.docker[5] == ("-i", "tuidock0", "-o", "br-+", "-j", "RETURN")
